//! tokio-postgres: binary parameters, binary COPY, all four types.

use std::fmt::Debug;

use client_tests::{
    BIT_OPERATORS, BY_INDEX, OPERATORS, Rows, assert_nearest, bit_distance, create_indexes, create_table,
    distance, rows, search, server,
};
use pgvector::{Bit, HalfVector, SparseVector, Vector};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls};

async fn connect(database: &str) -> Client {
    let (host, port, user) = server();
    let (client, connection) = tokio_postgres::Config::new()
        .host_path(host)
        .port(port)
        .user(user)
        .dbname(database)
        .connect(NoTls)
        .await
        .expect("a connection");
    tokio::spawn(connection);
    client
}

/// A database of its own with the table filled by binary COPY.
async fn prepared(name: &str, rows: &Rows) -> Client {
    let main = connect("postgres").await;
    main.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.expect("dropped");
    main.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("created");
    let client = connect(name).await;
    client.batch_execute("CREATE EXTENSION IF NOT EXISTS vector").await.expect("the extension");
    client.batch_execute(&create_table()).await.expect("the table");
    let mut types: Vec<Type> = Vec::new();
    for type_name in ["vector", "halfvec", "sparsevec", "bit"] {
        let statement = client.prepare(&format!("SELECT NULL::{type_name}")).await.expect("the type");
        types.push(statement.columns()[0].type_().clone());
    }
    let sink = client.copy_in("COPY items (v, h, s, b) FROM STDIN WITH (FORMAT binary)").await.expect("COPY");
    let writer = BinaryCopyInWriter::new(sink, &types);
    let mut writer = std::pin::pin!(writer);
    for ((vector, sparse), bits) in rows.vectors.iter().zip(&rows.sparse).zip(&rows.bits) {
        let row: [&(dyn ToSql + Sync); 4] = [
            &Vector::from(vector.clone()),
            &HalfVector::from_f32_slice(vector),
            &SparseVector::from_dense(sparse),
            &Bit::new(bits),
        ];
        writer.as_mut().write(&row).await.expect("a row");
    }
    assert_eq!(writer.finish().await.expect("the end of COPY"), rows.vectors.len() as u64);
    client
}

async fn answer(
    client: &Client,
    column: &str,
    operator: &str,
    query: &(dyn ToSql + Sync),
) -> Vec<(i64, f64)> {
    let found = client.query(&search(column, operator), &[query]).await.expect("an answer");
    found.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn check_all(client: &Client, rows: &Rows) {
    for (operator, _) in OPERATORS {
        let found = answer(client, "v", operator, &Vector::from(rows.query.clone())).await;
        assert_nearest(operator, &found, rows.vectors.iter().map(|row| distance(operator, row, &rows.query)));
        let found = answer(client, "h", operator, &HalfVector::from_f32_slice(&rows.query)).await;
        assert_nearest(operator, &found, rows.vectors.iter().map(|row| distance(operator, row, &rows.query)));
        let found = answer(client, "s", operator, &SparseVector::from_dense(&rows.query)).await;
        assert_nearest(operator, &found, rows.sparse.iter().map(|row| distance(operator, row, &rows.query)));
    }
    for (operator, _) in BIT_OPERATORS {
        let found = answer(client, "b", operator, &Bit::new(&rows.bit_query)).await;
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
    let client = prepared("clients_tokio_search", &rows).await;
    check_all(&client, &rows).await;
    for statement in create_indexes() {
        client.batch_execute(&statement).await.expect("an index");
    }
    client.batch_execute(&BY_INDEX.join(";")).await.expect("settings");
    check_all(&client, &rows).await;
    let plan = client
        .query(&format!("EXPLAIN {}", search("v", "<=>")), &[&Vector::from(rows.query.clone())])
        .await
        .expect("a plan");
    let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
    assert!(plan.join("\n").contains("Index Scan using items_v_cosine"), "{plan:?}");
}

#[tokio::test]
async fn values_come_back() {
    fn same<T: PartialEq + Debug>(actual: T, expected: T) {
        assert_eq!(actual, expected);
    }
    let rows = rows();
    let client = prepared("clients_tokio_values", &rows).await;
    let found = client.query("SELECT v, h, s, b FROM items ORDER BY id", &[]).await.expect("rows");
    for (i, row) in found.iter().enumerate() {
        same(row.get::<_, Vector>(0), Vector::from(rows.vectors[i].clone()));
        same(row.get::<_, HalfVector>(1), HalfVector::from_f32_slice(&rows.vectors[i]));
        same(row.get::<_, SparseVector>(2), SparseVector::from_dense(&rows.sparse[i]));
        same(row.get::<_, Bit>(3), Bit::new(&rows.bits[i]));
    }

    let far = Vector::from(vec![100.0; client_tests::DIM]);
    let id: i64 = client
        .query_one("INSERT INTO items (v) VALUES ($1) RETURNING id", &[&far])
        .await
        .expect("an insert")
        .get(0);
    let nearest = "SELECT id FROM items ORDER BY v <-> $1 LIMIT 1";
    same(client.query_one(nearest, &[&far]).await.expect("a row").get::<_, i64>(0), id);
    client.execute("UPDATE items SET v = $1 WHERE id = 1", &[&far]).await.expect("an update");
    same(client.execute("DELETE FROM items WHERE id = $1", &[&id]).await.expect("a delete"), 1);
    same(client.query_one(nearest, &[&far]).await.expect("a row").get::<_, i64>(0), 1);
    let null: Option<Vector> =
        client.query_one("INSERT INTO items (h) VALUES (NULL) RETURNING v", &[]).await.expect("a row").get(0);
    same(null, None);
}

#[tokio::test]
async fn errors_and_settings() {
    let rows = rows();
    let client = prepared("clients_tokio_errors", &rows).await;
    let error = client.execute("INSERT INTO items (v) VALUES ($1)", &[&Vector::from(vec![1.0])]).await;
    let error = error.expect_err("a wrong dimension");
    assert_eq!(error.as_db_error().expect("from the server").message(), "expected 8 dimensions, not 1");

    let fresh = connect("clients_tokio_errors").await;
    fresh
        .batch_execute("SET hnsw.ef_search = 44; SET ivfflat.probes = 2")
        .await
        .expect("settings come first");
    fresh
        .batch_execute("BEGIN; SET LOCAL hnsw.iterative_scan = relaxed_order")
        .await
        .expect("settings come first");
    answer(&fresh, "v", "<->", &Vector::from(rows.query.clone())).await;
    let shown = fresh.query_one("SHOW hnsw.ef_search", &[]).await.expect("a setting");
    assert_eq!(shown.get::<_, String>(0), "44");
}
