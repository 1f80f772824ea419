// Sequelize: types registered by the pgvector package, index with operator class.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DataTypes, Model, Sequelize } from 'sequelize';
import { SparseVector } from 'pgvector';
import { cosineDistance, hammingDistance, jaccardDistance, l1Distance, l2Distance, maxInnerProduct } from 'pgvector/sequelize';
import * as cases from './cases.mjs';

class Item extends Model {}
let sequelize;
let database;

before(async () => {
  database = await cases.createDatabase('clients_sequelize');
  const connect = () => new Sequelize(database, cases.server.user, null, {
    dialect: 'postgres', host: cases.server.host, port: cases.server.port, logging: false, pool: { min: 1, max: 1 },
  });
  // Sequelize looks types up when it connects, so the extension has to be there before.
  const first = connect();
  await first.query('CREATE EXTENSION IF NOT EXISTS vector');
  await first.close();
  sequelize = connect();
  Item.init({
    id: { type: DataTypes.INTEGER, autoIncrement: true, primaryKey: true },
    v: { type: DataTypes.VECTOR(cases.DIM) },
    h: { type: DataTypes.HALFVEC(cases.DIM) },
    s: { type: DataTypes.SPARSEVEC(cases.DIM) },
    b: { type: `BIT(${cases.BITS})` },
  }, {
    sequelize,
    tableName: 'items',
    timestamps: false,
    indexes: [
      { name: 'items_l2', fields: ['v'], using: 'hnsw', operator: 'vector_l2_ops' },
      { name: 'items_cosine', fields: ['v'], using: 'hnsw', operator: 'vector_cosine_ops' },
    ],
  });
  await Item.sync({ force: true });
  await Item.create({ v: cases.vectors[0], h: cases.vectors[0], s: new SparseVector(cases.sparse[0]), b: cases.bitRows[0] });
  await Item.bulkCreate(cases.vectors.slice(1).map((v, i) => ({
    v, h: v, s: new SparseVector(cases.sparse[i + 1]), b: cases.bitRows[i + 1],
  })));
});

after(() => sequelize.close());

const functions = { '<->': l2Distance, '<#>': maxInnerProduct, '<=>': cosineDistance, '<+>': l1Distance };
const nearest = async (order) => (await Item.findAll({ order: [order], limit: cases.LIMIT })).map((item) => item.id);

for (const byIndex of [false, true]) {
  test(byIndex ? 'search by index' : 'exact search', async () => {
    if (byIndex) await sequelize.query(cases.BY_INDEX.join(';'));
    for (const [operator, distance] of Object.entries(functions)) {
      cases.assertNearest(operator, await nearest(distance('v', cases.query, sequelize)));
      cases.assertNearest(operator, await nearest(distance('h', cases.query, sequelize)));
      cases.assertNearest(operator, await nearest(distance('s', new SparseVector(cases.query), sequelize)), cases.sparse);
    }
    for (const [operator, distance] of [['<~>', hammingDistance], ['<%>', jaccardDistance]]) {
      const found = await nearest(distance('b', cases.bitQuery, sequelize));
      cases.assertNearest(operator, found, cases.bitRows, cases.bitQuery);
    }
  });
}

test('the index is used', async () => {
  const statement = `SELECT id FROM items ORDER BY v <-> '${JSON.stringify(cases.query)}' LIMIT 5`;
  assert.match(await cases.plan(database, statement), /Index Scan using items_l2/);
});

test('values, update, delete, errors', async () => {
  const item = await Item.findByPk(5);
  assert.deepEqual([item.v, item.h], [cases.vectors[4], cases.vectors[4]]);
  assert.deepEqual(item.s.toArray(), cases.sparse[4]);
  const far = Array(cases.DIM).fill(100);
  await item.update({ v: far });
  assert.equal((await nearest(l2Distance('v', far, sequelize)))[0], 5);
  await item.destroy();
  assert.notEqual((await nearest(l2Distance('v', far, sequelize)))[0], 5);
  await assert.rejects(Item.create({ v: 'bad' }), /invalid input syntax for type vector/);
  await assert.rejects(Item.create({ v: [1] }), /expected 8 dimensions, not 1/);
});
