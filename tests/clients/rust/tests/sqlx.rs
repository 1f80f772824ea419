//! sqlx: encoded and decoded types, arrays, transactions.

use client_tests::{
    BIT_OPERATORS, BY_INDEX, OPERATORS, Rows, assert_nearest, bit_distance, create_indexes, create_table,
    distance, rows, search, server,
};
use pgvector::{Bit, HalfVector, SparseVector, Vector};
use sqlx::postgres::{PgConnectOptions, PgConnection, Postgres};
use sqlx::{AssertSqlSafe, Connection, Encode, Executor, Row, Type};

async fn connect(database: &str) -> PgConnection {
    let (host, port, user) = server();
    let options =
        PgConnectOptions::new_without_pgpass().socket(host).port(port).username(&user).database(database);
    PgConnection::connect_with(&options).await.expect("a connection")
}

async fn run(connection: &mut PgConnection, statement: impl Into<String>) {
    let statement = statement.into();
    connection
        .execute(AssertSqlSafe(statement.clone()))
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// A database of its own with the table filled row by row and by arrays.
async fn prepared(name: &str, rows: &Rows) -> PgConnection {
    let mut main = connect("postgres").await;
    run(&mut main, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    run(&mut main, format!("CREATE DATABASE {name}")).await;
    let mut connection = connect(name).await;
    run(&mut connection, "CREATE EXTENSION IF NOT EXISTS vector").await;
    run(&mut connection, create_table()).await;
    for ((vector, sparse), bits) in rows.vectors.iter().zip(&rows.sparse).zip(&rows.bits) {
        sqlx::query("INSERT INTO items (v, h, s, b) VALUES ($1, $2, $3, $4)")
            .bind(Vector::from(vector.clone()))
            .bind(HalfVector::from_f32_slice(vector))
            .bind(SparseVector::from_dense(sparse))
            .bind(Bit::new(bits))
            .execute(&mut connection)
            .await
            .expect("a row");
    }
    connection
}

async fn answer<'q, T>(
    connection: &mut PgConnection,
    column: &str,
    operator: &str,
    query: T,
) -> Vec<(i64, f64)>
where
    T: Encode<'q, Postgres> + Type<Postgres> + Send + 'q,
{
    let found = sqlx::query(AssertSqlSafe(search(column, operator)))
        .bind(query)
        .fetch_all(connection)
        .await
        .expect("an answer");
    found.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn check_all(connection: &mut PgConnection, rows: &Rows) {
    for (operator, _) in OPERATORS {
        let found = answer(connection, "v", operator, Vector::from(rows.query.clone())).await;
        assert_nearest(operator, &found, rows.vectors.iter().map(|row| distance(operator, row, &rows.query)));
        let found = answer(connection, "h", operator, HalfVector::from_f32_slice(&rows.query)).await;
        assert_nearest(operator, &found, rows.vectors.iter().map(|row| distance(operator, row, &rows.query)));
        let found = answer(connection, "s", operator, SparseVector::from_dense(&rows.query)).await;
        assert_nearest(operator, &found, rows.sparse.iter().map(|row| distance(operator, row, &rows.query)));
    }
    for (operator, _) in BIT_OPERATORS {
        let found = answer(connection, "b", operator, Bit::new(&rows.bit_query)).await;
        assert_nearest(
            operator,
            &found,
            rows.bits.iter().map(|row| bit_distance(operator, row, &rows.bit_query)),
        );
    }
}

#[tokio::test]
async fn searches() {
    let rows = rows();
    let mut connection = prepared("clients_sqlx_search", &rows).await;
    check_all(&mut connection, &rows).await;
    for statement in create_indexes() {
        run(&mut connection, statement).await;
    }
    for setting in BY_INDEX {
        run(&mut connection, setting).await;
    }
    check_all(&mut connection, &rows).await;
    let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN {}", search("h", "<#>"))))
        .bind(HalfVector::from_f32_slice(&rows.query))
        .fetch_all(&mut connection)
        .await
        .expect("a plan");
    let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
    assert!(plan.join("\n").contains("Index Scan using items_h_ip"), "{plan:?}");
}

#[tokio::test]
async fn values_come_back() {
    let rows = rows();
    let mut connection = prepared("clients_sqlx_values", &rows).await;
    let found = sqlx::query("SELECT v, h, s, b FROM items ORDER BY id")
        .fetch_all(&mut connection)
        .await
        .expect("rows");
    for (i, row) in found.iter().enumerate() {
        assert_eq!(row.get::<Vector, _>(0), Vector::from(rows.vectors[i].clone()));
        assert_eq!(row.get::<HalfVector, _>(1), HalfVector::from_f32_slice(&rows.vectors[i]));
        assert_eq!(row.get::<SparseVector, _>(2), SparseVector::from_dense(&rows.sparse[i]));
        assert_eq!(row.get::<Bit, _>(3), Bit::new(&rows.bits[i]));
    }

    // Many rows in one statement, by an array.
    let far: Vec<Vector> =
        (0..3_u8).map(|i| Vector::from(vec![100.0 + f32::from(i); client_tests::DIM])).collect();
    let mut transaction = connection.begin().await.expect("a transaction");
    let ids: Vec<i64> = sqlx::query_scalar("INSERT INTO items (v) SELECT unnest($1) RETURNING id")
        .bind(&far)
        .fetch_all(&mut *transaction)
        .await
        .expect("ids");
    let nearest = "SELECT id FROM items ORDER BY v <-> $1 LIMIT 1";
    let id: i64 =
        sqlx::query_scalar(nearest).bind(&far[2]).fetch_one(&mut *transaction).await.expect("an id");
    assert_eq!(id, ids[2]);
    sqlx::query("UPDATE items SET v = $1 WHERE id = 1")
        .bind(&far[2])
        .execute(&mut *transaction)
        .await
        .expect("an update");
    let deleted =
        sqlx::query("DELETE FROM items WHERE id = $1").bind(ids[2]).execute(&mut *transaction).await;
    assert_eq!(deleted.expect("a delete").rows_affected(), 1);
    let id: i64 =
        sqlx::query_scalar(nearest).bind(&far[2]).fetch_one(&mut *transaction).await.expect("an id");
    assert_eq!(id, 1);
    transaction.rollback().await.expect("undone");
    let all: Vec<Vector> = sqlx::query_scalar("SELECT array_agg(v ORDER BY id) FROM items WHERE id <= 2")
        .fetch_one(&mut connection)
        .await
        .expect("an array");
    assert_eq!(all, [Vector::from(rows.vectors[0].clone()), Vector::from(rows.vectors[1].clone())]);
}

#[tokio::test]
async fn errors_and_settings() {
    let rows = rows();
    let mut connection = prepared("clients_sqlx_errors", &rows).await;
    let error = sqlx::query("INSERT INTO items (v) VALUES ($1)")
        .bind(Vector::from(vec![1.0]))
        .execute(&mut connection)
        .await
        .expect_err("a wrong dimension");
    assert_eq!(error.as_database_error().expect("from the server").message(), "expected 8 dimensions, not 1");

    let mut fresh = connect("clients_sqlx_errors").await;
    run(&mut fresh, "SET hnsw.ef_search = 44").await;
    run(&mut fresh, "SET ivfflat.probes = 2").await;
    run(&mut fresh, "BEGIN").await;
    run(&mut fresh, "SET LOCAL hnsw.iterative_scan = relaxed_order").await;
    answer(&mut fresh, "v", "<->", Vector::from(rows.query.clone())).await;
    let shown: String =
        sqlx::query_scalar("SHOW hnsw.ef_search").fetch_one(&mut fresh).await.expect("a setting");
    assert_eq!(shown, "44");
}
