// Knex and Kysely: query builders with raw operators.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Knex from 'knex';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { SparseVector } from 'pgvector';
import pgvector from 'pgvector/knex';
import { l2Distance, cosineDistance, l1Distance, maxInnerProduct } from 'pgvector/kysely';
import * as cases from './cases.mjs';

let knex;
let kysely;
let database;

before(async () => {
  database = await cases.createDatabase('clients_knex');
  knex = Knex({ client: 'pg', connection: { ...cases.server, database }, pool: { min: 1, max: 1 } });
  await knex.schema.createExtensionIfNotExists('vector');
  await knex.schema.createTable('items', (table) => {
    table.bigIncrements('id');
    table.vector('v', { dimensions: cases.DIM });
    table.halfvec('h', { dimensions: cases.DIM });
    table.sparsevec('s', { dimensions: cases.DIM });
    table.specificType('b', `bit(${cases.BITS})`);
    table.index(knex.raw('v vector_l2_ops'), 'items_l2', 'hnsw');
    table.index(knex.raw('v vector_cosine_ops'), 'items_cosine', 'hnsw');
  });
  await knex('items').insert(cases.vectors.map((vector, i) => ({
    v: pgvector.toSql(vector), h: pgvector.toSql(vector), s: pgvector.toSql(new SparseVector(cases.sparse[i])),
    b: cases.bitRows[i],
  })));
  kysely = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ ...cases.server, database, max: 1 }) }) });
});

after(async () => {
  await knex.destroy();
  await kysely.destroy();
});

const methods = { '<->': 'l2Distance', '<#>': 'maxInnerProduct', '<=>': 'cosineDistance', '<+>': 'l1Distance' };

for (const byIndex of [false, true]) {
  test(byIndex ? 'knex by index' : 'knex exact', async () => {
    if (byIndex) await knex.raw(cases.BY_INDEX.join(';'));
    const nearest = async (column, method, query) =>
      (await knex('items').orderBy(knex[method](column, query)).limit(cases.LIMIT)).map((row) => row.id);
    for (const [operator, method] of Object.entries(methods)) {
      cases.assertNearest(operator, await nearest('v', method, cases.query));
      cases.assertNearest(operator, await nearest('h', method, cases.query));
      cases.assertNearest(operator, await nearest('s', method, new SparseVector(cases.query)), cases.sparse);
    }
    for (const [operator, method] of [['<~>', 'hammingDistance'], ['<%>', 'jaccardDistance']]) {
      cases.assertNearest(operator, await nearest('b', method, cases.bitQuery), cases.bitRows, cases.bitQuery);
    }
  });
}

test('knex: values, update, delete, errors', async () => {
  const row = await knex('items').where('id', 3).first();
  assert.deepEqual(pgvector.fromSql(row.v), cases.vectors[2]);
  assert.deepEqual(pgvector.fromSql(row.s).toArray(), cases.sparse[2]);
  const far = Array(cases.DIM).fill(100);
  const first = async () => (await knex('items').orderBy(knex.l2Distance('v', far)).first()).id;
  await knex.transaction(async (transaction) => {
    await transaction('items').where('id', 3).update({ v: pgvector.toSql(far) });
  });
  assert.equal(await first(), '3');
  assert.equal(await knex('items').where('id', 3).delete(), 1);
  assert.notEqual(await first(), '3');
  await assert.rejects(knex('items').insert({ v: 'bad' }), /invalid input syntax for type vector/);
  await knex('items').insert({ id: 3, v: pgvector.toSql(cases.vectors[2]), s: pgvector.toSql(new SparseVector(cases.sparse[2])) });
});

test('knex: the index is used', async () => {
  const order = knex('items').select('id').orderBy(knex.cosineDistance('v', cases.query)).limit(5).toQuery();
  assert.match(await cases.plan(database, order), /Index Scan using items_cosine/);
});

test('kysely', async () => {
  for (const byIndex of [false, true]) {
    if (byIndex) for (const setting of cases.BY_INDEX) await sql.raw(setting).execute(kysely);
    for (const [operator, distance] of [['<->', l2Distance], ['<#>', maxInnerProduct], ['<=>', cosineDistance], ['<+>', l1Distance]]) {
      const found = await kysely.selectFrom('items').select('id').orderBy(distance('v', cases.query)).limit(cases.LIMIT).execute();
      cases.assertNearest(operator, found.map((row) => row.id));
    }
  }
});
