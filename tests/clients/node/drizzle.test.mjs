// Drizzle: columns and index of its own schema language, distance functions.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { asc, cosineDistance, eq, innerProduct, hammingDistance, jaccardDistance, l1Distance, l2Distance, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { bigserial, bit, halfvec, index, pgTable, sparsevec, vector, getTableConfig } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { SparseVector } from 'pgvector';
import * as cases from './cases.mjs';

const items = pgTable('items', {
  id: bigserial('id', { mode: 'number' }).primaryKey(),
  v: vector('v', { dimensions: cases.DIM }),
  h: halfvec('h', { dimensions: cases.DIM }),
  s: sparsevec('s', { dimensions: cases.DIM }),
  b: bit('b', { dimensions: cases.BITS }),
}, (table) => [
  index('items_l2').using('hnsw', table.v.op('vector_l2_ops')),
  index('items_cosine').using('hnsw', table.v.op('vector_cosine_ops')).with({ m: 16, ef_construction: 64 }),
]);

let client;
let db;
let database;

before(async () => {
  database = await cases.createDatabase('clients_drizzle');
  client = new pg.Client({ ...cases.server, database });
  await client.connect();
  db = drizzle(client);
  await db.execute(sql`CREATE EXTENSION IF NOT EXISTS vector`);
  const { columns, indexes } = getTableConfig(items);
  await db.execute(sql.raw(`CREATE TABLE items (${columns.map((c) => `${c.name} ${c.getSQLType()}`).join(', ')})`));
  await db.insert(items).values(cases.vectors.map((v, i) => ({
    v, h: v, s: new SparseVector(cases.sparse[i]).toPostgres(), b: cases.bitRows[i],
  })));
  for (const { config } of indexes) {
    const columnsOf = config.columns.map((c) => `${c.name} ${c.indexConfig.opClass}`).join(', ');
    const options = Object.entries(config.with ?? {}).map(([name, value]) => `${name} = ${value}`).join(', ');
    await db.execute(sql.raw(
      `CREATE INDEX ${config.name} ON items USING ${config.method} (${columnsOf}) ${options && `WITH (${options})`}`,
    ));
  }
});

after(() => client.end());

const functions = { '<->': l2Distance, '<#>': innerProduct, '<=>': cosineDistance, '<+>': l1Distance };
const nearest = async (order) =>
  (await db.select({ id: items.id }).from(items).orderBy(asc(order)).limit(cases.LIMIT)).map((row) => row.id);

for (const byIndex of [false, true]) {
  test(byIndex ? 'search by index' : 'exact search', async () => {
    if (byIndex) await client.query(cases.BY_INDEX.join(';'));
    const sparseQuery = new SparseVector(cases.query).toPostgres();
    for (const [operator, distance] of Object.entries(functions)) {
      cases.assertNearest(operator, await nearest(distance(items.v, cases.query)));
      cases.assertNearest(operator, await nearest(distance(items.h, cases.query)));
      cases.assertNearest(operator, await nearest(distance(items.s, sparseQuery)), cases.sparse);
    }
    for (const [operator, distance] of [['<~>', hammingDistance], ['<%>', jaccardDistance]]) {
      const found = await nearest(distance(items.b, cases.bitQuery));
      cases.assertNearest(operator, found, cases.bitRows, cases.bitQuery);
    }
  });
}

test('the index is used', async () => {
  const order = db.select({ id: items.id }).from(items).orderBy(cosineDistance(items.v, cases.query)).limit(5);
  const { rows } = await db.execute(sql`EXPLAIN ${order}`);
  assert.match(rows.map((line) => line['QUERY PLAN']).join('\n'), /Index Scan using items_cosine/);
});

test('values, update, delete', async () => {
  const [row] = await db.select().from(items).where(eq(items.id, 7));
  assert.deepEqual([row.v, row.h, row.b], [cases.vectors[6], cases.vectors[6], cases.bitRows[6]]);
  assert.deepEqual(new SparseVector(row.s).toArray(), cases.sparse[6]);
  const far = Array(cases.DIM).fill(100);
  await db.update(items).set({ v: far }).where(eq(items.id, 7));
  assert.equal((await nearest(l2Distance(items.v, far)))[0], 7);
  await db.delete(items).where(eq(items.id, 7));
  assert.notEqual((await nearest(l2Distance(items.v, far)))[0], 7);
});
