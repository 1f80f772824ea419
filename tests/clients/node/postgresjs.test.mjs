// Postgres.js: text parameters of unknown type.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pgvector from 'pgvector';
import postgres from 'postgres';
import * as cases from './cases.mjs';

let sql;

before(async () => {
  const database = await cases.createDatabase('clients_postgresjs');
  sql = postgres({ ...cases.server, database, onnotice: () => {}, max: 1 });
  await sql`CREATE EXTENSION IF NOT EXISTS vector`;
  await sql.unsafe(`CREATE TABLE items (id bigserial PRIMARY KEY, embedding vector(${cases.DIM}))`);
  await sql`INSERT INTO items ${sql(cases.vectors.map((v) => ({ embedding: pgvector.toSql(v) })), 'embedding')}`;
  for (const name of Object.values(cases.OPERATORS)) {
    await sql.unsafe(`CREATE INDEX ON items USING hnsw (embedding vector_${name}_ops)`);
  }
});

after(() => sql.end());

for (const byIndex of [false, true]) {
  test(byIndex ? 'search by index' : 'exact search', async () => {
    if (byIndex) await sql.unsafe(cases.BY_INDEX.join(';'));
    const query = pgvector.toSql(cases.query);
    for (const operator of Object.keys(cases.OPERATORS)) {
      const found = await sql`SELECT id, embedding FROM items ORDER BY embedding ${sql.unsafe(operator)} ${query} LIMIT 10`;
      cases.assertNearest(operator, found.map((row) => row.id));
      assert.deepEqual(pgvector.fromSql(found[0].embedding), cases.vectors[Number(found[0].id) - 1]);
    }
  });
}
