// node-postgres with the types of the pgvector package.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { SparseVector } from 'pgvector';
import pgvector from 'pgvector/pg';
import * as cases from './cases.mjs';

let client;
let database;

before(async () => {
  database = await cases.createDatabase('clients_pg');
  client = new pg.Client({ ...cases.server, database });
  await client.connect();
  await client.query('CREATE EXTENSION IF NOT EXISTS vector');
  await pgvector.registerTypes(client);
  await client.query(`CREATE TABLE items (id bigserial PRIMARY KEY, v vector(${cases.DIM}), h halfvec(${cases.DIM}),
    s sparsevec(${cases.DIM}), b bit(${cases.BITS}))`);
  for (const [i, vector] of cases.vectors.entries()) {
    await client.query('INSERT INTO items (v, h, s, b) VALUES ($1, $2, $3, $4)', [
      pgvector.toSql(vector), pgvector.toSql(vector), pgvector.toSql(new SparseVector(cases.sparse[i])), cases.bitRows[i],
    ]);
  }
});

after(() => client.end());

const search = async (column, operator, query) => {
  const sql = `SELECT id FROM items ORDER BY ${column} ${operator} $1 LIMIT ${cases.LIMIT}`;
  return (await client.query(sql, [query])).rows.map((row) => row.id);
};

async function checkAll() {
  for (const operator of Object.keys(cases.OPERATORS)) {
    const query = pgvector.toSql(cases.query);
    cases.assertNearest(operator, await search('v', operator, query));
    cases.assertNearest(operator, await search('h', operator, query));
    const sparseQuery = pgvector.toSql(new SparseVector(cases.query));
    cases.assertNearest(operator, await search('s', operator, sparseQuery), cases.sparse);
  }
  for (const operator of Object.keys(cases.BIT_OPERATORS)) {
    cases.assertNearest(operator, await search('b', operator, cases.bitQuery), cases.bitRows, cases.bitQuery);
  }
}

test('settings before anything else in the session', async () => {
  const fresh = new pg.Client({ ...cases.server, database });
  await fresh.connect();
  await fresh.query('SET hnsw.ef_search = 66; SET ivfflat.probes = 4');
  await fresh.query('BEGIN');
  await fresh.query('SET LOCAL hnsw.iterative_scan = relaxed_order');
  await fresh.query('SELECT id FROM items ORDER BY v <-> $1 LIMIT 1', [pgvector.toSql(cases.query)]);
  assert.equal((await fresh.query('SHOW hnsw.ef_search')).rows[0]['hnsw.ef_search'], '66');
  await fresh.query('COMMIT');
  await fresh.end();
});

test('exact search', checkAll);

test('search by index', async () => {
  for (const [column, type] of [['v', 'vector'], ['h', 'halfvec'], ['s', 'sparsevec']]) {
    for (const name of Object.values(cases.OPERATORS)) {
      await client.query(`CREATE INDEX items_${column}_${name} ON items USING hnsw (${column} ${type}_${name}_ops)`);
    }
  }
  for (const name of Object.values(cases.BIT_OPERATORS)) {
    await client.query(`CREATE INDEX items_b_${name} ON items USING hnsw (b bit_${name}_ops)`);
  }
  await client.query(cases.BY_INDEX.join(';'));
  await checkAll();
  const query = pgvector.toSql(cases.query);
  const { rows } = await client.query(`EXPLAIN SELECT id FROM items ORDER BY h <=> '${query}' LIMIT 5`);
  assert.match(rows.map((line) => line['QUERY PLAN']).join('\n'), /Index Scan using items_h_cosine/);
});

test('values come back', async () => {
  const { rows } = await client.query('SELECT v, h, s, b FROM items ORDER BY id');
  for (const [i, row] of rows.entries()) {
    assert.deepEqual(row.v, cases.vectors[i]);
    assert.deepEqual(row.h, cases.vectors[i]);
    assert.deepEqual(row.s.toArray(), cases.sparse[i]);
    assert.equal(row.b, cases.bitRows[i]);
  }
});

test('update, delete, errors', async () => {
  const far = pgvector.toSql(Array(cases.DIM).fill(100));
  await client.query('BEGIN');
  await client.query('UPDATE items SET v = $1 WHERE id = 9', [far]);
  assert.equal((await search('v', '<->', far))[0], '9');
  assert.equal((await client.query('DELETE FROM items WHERE id = 9')).rowCount, 1);
  assert.notEqual((await search('v', '<->', far))[0], '9');
  await client.query('ROLLBACK');
  await assert.rejects(client.query("INSERT INTO items (v) VALUES ('hello')"), /invalid input syntax for type vector/);
  await assert.rejects(client.query("INSERT INTO items (v) VALUES ('[1,2]')"), /expected 8 dimensions, not 2/);
});

test('pool', async () => {
  const pool = new pg.Pool({ ...cases.server, database, max: 2 });
  pool.on('connect', (connected) => pgvector.registerTypes(connected));
  const { rows } = await pool.query('SELECT v FROM items WHERE id = 1');
  assert.deepEqual(rows[0].v, cases.vectors[0]);
  await pool.end();
});
