// Prisma with raw queries over its pg driver adapter; the client has no engine besides WebAssembly from its package.
//
// prisma generate would download a schema engine that it does not run: naming any program as the engine stops that.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pgvector from 'pgvector';
import * as cases from './cases.mjs';

const require = createRequire(import.meta.url);
// Beside the tests, so that the generated client finds its packages.
const folder = mkdtempSync(join(import.meta.dirname, 'prisma-'));
let prisma;

before(async () => {
  const schema = join(folder, 'schema.prisma');
  writeFileSync(schema, `
    generator client {
      provider = "prisma-client-js"
      output   = "./client"
    }
    datasource db {
      provider = "postgresql"
    }
    model Item {
      id        Int                         @id @default(autoincrement())
      name      String?
      embedding Unsupported("vector(${cases.DIM})")?
      @@map("items")
    }`);
  const program = join(require.resolve('prisma/package.json'), '../build/index.js');
  execFileSync(process.execPath, [program, 'generate', '--schema', schema], {
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' }, stdio: 'pipe',
  });
  const database = await cases.createDatabase('clients_prisma');
  const { PrismaClient } = require(join(folder, 'client'));
  const { PrismaPg } = await import('@prisma/adapter-pg');
  prisma = new PrismaClient({ adapter: new PrismaPg({ ...cases.server, database, max: 1 }) });
  // What its migration does.
  await prisma.$executeRawUnsafe('CREATE EXTENSION IF NOT EXISTS "vector"');
  await prisma.$executeRawUnsafe(
    `CREATE TABLE "items" ("id" SERIAL NOT NULL, "name" TEXT, "embedding" vector(${cases.DIM}), PRIMARY KEY ("id"))`,
  );
  for (const vector of cases.vectors) {
    await prisma.$executeRaw`INSERT INTO items (embedding) VALUES (${pgvector.toSql(vector)}::vector)`;
  }
  for (const name of Object.values(cases.OPERATORS)) {
    await prisma.$executeRawUnsafe(`CREATE INDEX items_${name} ON items USING hnsw (embedding vector_${name}_ops)`);
  }
});

after(async () => {
  await prisma?.$disconnect();
  rmSync(folder, { recursive: true });
});

for (const byIndex of [false, true]) {
  test(byIndex ? 'search by index' : 'exact search', async () => {
    if (byIndex) for (const setting of cases.BY_INDEX) await prisma.$executeRawUnsafe(setting);
    const query = pgvector.toSql(cases.query);
    const searches = {
      '<->': () => prisma.$queryRaw`SELECT id, embedding::text FROM items ORDER BY embedding <-> ${query}::vector LIMIT 10`,
      '<#>': () => prisma.$queryRaw`SELECT id, embedding::text FROM items ORDER BY embedding <#> ${query}::vector LIMIT 10`,
      '<=>': () => prisma.$queryRaw`SELECT id, embedding::text FROM items ORDER BY embedding <=> ${query}::vector LIMIT 10`,
      '<+>': () => prisma.$queryRaw`SELECT id, embedding::text FROM items ORDER BY embedding <+> ${query}::vector LIMIT 10`,
    };
    for (const [operator, search] of Object.entries(searches)) {
      const found = await search();
      cases.assertNearest(operator, found.map((row) => row.id));
      assert.deepEqual(pgvector.fromSql(found[0].embedding), cases.vectors[found[0].id - 1]);
    }
  });
}

test('models beside the vector, transactions, errors', async () => {
  const item = await prisma.item.update({ where: { id: 2 }, data: { name: 'two' } });
  assert.deepEqual(item, { id: 2, name: 'two' });
  const [settings] = (await prisma.$transaction([
    prisma.$executeRaw`SET LOCAL hnsw.iterative_scan = 'relaxed_order'`,
    prisma.$queryRaw`SHOW hnsw.iterative_scan`,
  ])).slice(1);
  assert.equal(settings[0]['hnsw.iterative_scan'], 'relaxed_order');
  await prisma.item.delete({ where: { id: 2 } });
  assert.equal(await prisma.item.count(), cases.ROWS - 1);
  await assert.rejects(prisma.$executeRaw`INSERT INTO items (embedding) VALUES ('[1,2]')`, /expected 8 dimensions, not 2/);
});
