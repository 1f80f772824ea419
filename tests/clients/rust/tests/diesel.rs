//! Diesel: typed columns, distances as expressions.

use client_tests::{
    BIT_OPERATORS, BY_INDEX, LIMIT, OPERATORS, Rows, assert_nearest, bit_distance, create_indexes,
    create_table, distance, rows, server,
};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use pgvector::{Bit, HalfVector, SparseVector, Vector, VectorExpressionMethods};

diesel::table! {
    items (id) {
        id -> Int8,
        v -> Nullable<pgvector::sql_types::Vector>,
        h -> Nullable<pgvector::sql_types::HalfVector>,
        s -> Nullable<pgvector::sql_types::SparseVector>,
        b -> Nullable<pgvector::sql_types::Bit>,
    }
}

#[derive(Queryable, Debug, PartialEq)]
struct Item {
    id: i64,
    v: Option<Vector>,
    h: Option<HalfVector>,
    s: Option<SparseVector>,
    b: Option<Bit>,
}

#[derive(Insertable, Default)]
#[diesel(table_name = items)]
struct NewItem {
    v: Option<Vector>,
    h: Option<HalfVector>,
    s: Option<SparseVector>,
    b: Option<Bit>,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

fn connect(database: &str) -> PgConnection {
    let (host, port, user) = server();
    PgConnection::establish(&format!("host={host} port={port} user={user} dbname={database}"))
        .expect("a connection")
}

/// A database of its own with the table filled.
fn prepared(name: &str, rows: &Rows) -> PgConnection {
    let mut main = connect("postgres");
    main.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).expect("dropped");
    main.batch_execute(&format!("CREATE DATABASE {name}")).expect("created");
    let mut connection = connect(name);
    connection.batch_execute("CREATE EXTENSION vector").expect("the extension");
    connection.batch_execute(&create_table()).expect("the table");
    let new: Vec<NewItem> = (0..rows.vectors.len())
        .map(|i| NewItem {
            v: Some(Vector::from(rows.vectors[i].clone())),
            h: Some(HalfVector::from_f32_slice(&rows.vectors[i])),
            s: Some(SparseVector::from_dense(&rows.sparse[i])),
            b: Some(Bit::new(&rows.bits[i])),
        })
        .collect();
    diesel::insert_into(items::table).values(&new).execute(&mut connection).expect("rows");
    connection
}

/// Ids and distances of the nearest by an expression.
macro_rules! nearest {
    ($connection:expr, $distance:expr) => {
        items::table
            .select((items::id, $distance.assume_not_null()))
            .order($distance)
            .limit(LIMIT as i64)
            .load::<(i64, f64)>($connection)
            .expect("an answer")
    };
}

macro_rules! by_operator {
    ($connection:expr, $operator:expr, $column:expr, $query:expr) => {
        match $operator {
            "<->" => nearest!($connection, $column.l2_distance($query)),
            "<#>" => nearest!($connection, $column.max_inner_product($query)),
            "<=>" => nearest!($connection, $column.cosine_distance($query)),
            _ => nearest!($connection, $column.l1_distance($query)),
        }
    };
}

fn check_all(connection: &mut PgConnection, rows: &Rows) {
    for (operator, _) in OPERATORS {
        let found = by_operator!(connection, operator, items::v, Vector::from(rows.query.clone()));
        assert_nearest(operator, &found, rows.vectors.iter().map(|row| distance(operator, row, &rows.query)));
        let found = by_operator!(connection, operator, items::h, HalfVector::from_f32_slice(&rows.query));
        assert_nearest(operator, &found, rows.vectors.iter().map(|row| distance(operator, row, &rows.query)));
        let found = by_operator!(connection, operator, items::s, SparseVector::from_dense(&rows.query));
        assert_nearest(operator, &found, rows.sparse.iter().map(|row| distance(operator, row, &rows.query)));
    }
    for (operator, _) in BIT_OPERATORS {
        let query = || Bit::new(&rows.bit_query);
        let found = match operator {
            "<~>" => nearest!(connection, items::b.hamming_distance(query())),
            _ => nearest!(connection, items::b.jaccard_distance(query())),
        };
        assert_nearest(
            operator,
            &found,
            rows.bits.iter().map(|row| bit_distance(operator, row, &rows.bit_query)),
        );
    }
}

#[test]
fn searches() {
    let rows = rows();
    let mut connection = prepared("clients_diesel_search", &rows);
    check_all(&mut connection, &rows);
    for statement in create_indexes() {
        connection.batch_execute(&statement).expect("an index");
    }
    connection.batch_execute(&BY_INDEX.join(";")).expect("settings");
    check_all(&mut connection, &rows);
    let plan = diesel::sql_query("EXPLAIN SELECT id FROM items ORDER BY v <-> $1 LIMIT 5")
        .bind::<pgvector::sql_types::Vector, _>(Vector::from(rows.query.clone()))
        .load::<Line>(&mut connection)
        .expect("a plan");
    let plan: Vec<String> = plan.into_iter().map(|line| line.text).collect();
    assert!(plan.join("\n").contains("Index Scan using items_v_l2"), "{plan:?}");
}

#[test]
fn values_come_back() {
    let rows = rows();
    let mut connection = prepared("clients_diesel_values", &rows);
    let found: Item = items::table.find(5).first(&mut connection).expect("a row");
    assert_eq!(
        found,
        Item {
            id: 5,
            v: Some(Vector::from(rows.vectors[4].clone())),
            h: Some(HalfVector::from_f32_slice(&rows.vectors[4])),
            s: Some(SparseVector::from_dense(&rows.sparse[4])),
            b: Some(Bit::new(&rows.bits[4])),
        }
    );
    let far = Vector::from(vec![100.0; client_tests::DIM]);
    let new = NewItem { v: Some(far.clone()), ..NewItem::default() };
    let inserted: Item =
        diesel::insert_into(items::table).values(&new).get_result(&mut connection).expect("an insert");
    assert_eq!((inserted.v.clone(), inserted.h), (Some(far.clone()), None));
    let first = |connection: &mut PgConnection| {
        items::table
            .order(items::v.l2_distance(far.clone()))
            .select(items::id)
            .first::<i64>(connection)
            .expect("a row")
    };
    assert_eq!(first(&mut connection), inserted.id);
    diesel::update(items::table.find(1))
        .set(items::v.eq(Some(far.clone())))
        .execute(&mut connection)
        .expect("an update");
    assert_eq!(diesel::delete(items::table.find(inserted.id)).execute(&mut connection), Ok(1));
    assert_eq!(first(&mut connection), 1);
}

#[test]
fn errors_and_settings() {
    let rows = rows();
    let mut connection = prepared("clients_diesel_errors", &rows);
    let new = NewItem { v: Some(Vector::from(vec![1.0])), ..NewItem::default() };
    let error = diesel::insert_into(items::table)
        .values(&new)
        .execute(&mut connection)
        .expect_err("a wrong dimension");
    assert_eq!(error.to_string(), "expected 8 dimensions, not 1");

    let mut fresh = connect("clients_diesel_errors");
    fresh.batch_execute("SET hnsw.ef_search = 44; SET ivfflat.probes = 2").expect("settings come first");
    fresh.batch_execute("BEGIN; SET LOCAL hnsw.iterative_scan = strict_order").expect("settings come first");
    let found = nearest!(&mut fresh, items::v.l2_distance(Vector::from(rows.query.clone())));
    assert_eq!(found.len(), LIMIT);
}
