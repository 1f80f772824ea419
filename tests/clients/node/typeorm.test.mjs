// TypeORM: columns of type vector and halfvec; it creates the extension itself.

import 'reflect-metadata';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DataSource, EntitySchema } from 'typeorm';
import * as cases from './cases.mjs';

const Item = new EntitySchema({
  name: 'Item',
  tableName: 'items',
  columns: {
    id: { type: 'int', primary: true, generated: true },
    v: { type: 'vector', length: cases.DIM, nullable: true },
    h: { type: 'halfvec', length: cases.DIM, nullable: true },
  },
});
let source;
let database;

before(async () => {
  database = await cases.createDatabase('clients_typeorm');
  source = new DataSource({
    type: 'postgres', host: cases.server.host, port: cases.server.port, username: cases.server.user, database,
    entities: [Item], synchronize: true, poolSize: 1,
  });
  await source.initialize();
  await source.getRepository(Item).save(cases.vectors.map((v) => ({ v, h: v })));
  for (const name of Object.values(cases.OPERATORS)) {
    await source.query(`CREATE INDEX items_${name} ON items USING hnsw (v vector_${name}_ops)`);
  }
});

after(() => source.destroy());

for (const byIndex of [false, true]) {
  test(byIndex ? 'search by index' : 'exact search', async () => {
    if (byIndex) await source.query(cases.BY_INDEX.join(';'));
    for (const operator of Object.keys(cases.OPERATORS)) {
      for (const column of ['v', 'h']) {
        const found = await source.getRepository(Item).createQueryBuilder('item')
          .orderBy(`item.${column} ${operator} :query`)
          .setParameters({ query: JSON.stringify(cases.query) })
          .limit(cases.LIMIT)
          .getMany();
        cases.assertNearest(operator, found.map((item) => item.id));
      }
    }
  });
}

test('the schema is in step with the entities', async () => {
  await source.query('DROP INDEX items_l2, items_ip, items_cosine, items_l1');
  const { upQueries } = await source.driver.createSchemaBuilder().log();
  assert.deepEqual(upQueries.map((query) => query.query), []);
});

test('values, update, delete, errors', async () => {
  const repository = source.getRepository(Item);
  const item = await repository.findOneBy({ id: 4 });
  assert.deepEqual([item.v, item.h], [cases.vectors[3], cases.vectors[3]]);
  item.v = Array(cases.DIM).fill(100);
  await repository.save(item);
  assert.deepEqual((await repository.findOneBy({ id: 4 })).v, item.v);
  assert.equal((await repository.delete(4)).affected, 1);
  await assert.rejects(repository.save({ v: [1] }), /expected 8 dimensions, not 1/);
});
