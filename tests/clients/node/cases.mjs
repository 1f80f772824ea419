// What every Node client is tested with: repeatable rows, the exact answers, and a database of its own.
// The numbers are multiples of 1/64, so that every type holds them exactly.

import assert from 'node:assert/strict';
import pg from 'pg';

export const DIM = 8;
export const ROWS = 300;
export const BITS = 32;
export const LIMIT = 10;

// Enough effort that an index's answer over so few rows is the exact one, and no other plan than the index.
export const BY_INDEX = [
  'SET hnsw.ef_search = 300', 'SET ivfflat.probes = 10', 'SET enable_seqscan = off', 'SET enable_sort = off',
];
export const OPERATORS = { '<->': 'l2', '<#>': 'ip', '<=>': 'cosine', '<+>': 'l1' };
export const BIT_OPERATORS = { '<~>': 'hamming', '<%>': 'jaccard' };

// xorshift32 (Marsaglia 2003)
let state = 2463534242;
function next() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0);
}
const number = () => (next() % 257) / 64 - 2;
const row = () => Array.from({ length: DIM }, number);
const bits = () => Array.from({ length: BITS }, () => next() % 2).join('');

export const vectors = Array.from({ length: ROWS }, row);
export const sparse = vectors.map((values) => values.map((x, i) => (i === 0 || next() % 2 ? x : 0)));
export const bitRows = Array.from({ length: ROWS }, bits);
export const query = row();
export const bitQuery = bits();

export function distance(operator, a, b) {
  const pairs = Array.from(a, (x, i) => [x, b[i]]);
  const sum = (f) => pairs.reduce((total, [x, y]) => total + f(x, y), 0);
  switch (operator) {
    case '<->': return Math.sqrt(sum((x, y) => (x - y) ** 2));
    case '<#>': return -sum((x, y) => x * y);
    case '<=>': return 1 - sum((x, y) => x * y) / Math.sqrt(sum((x) => x * x) * sum((_, y) => y * y));
    case '<+>': return sum((x, y) => Math.abs(x - y));
    case '<~>': return sum((x, y) => Number(x !== y));
    case '<%>': return 1 - sum((x, y) => Number(x === '1' && y === '1')) / sum((x, y) => Number(x === '1' || y === '1'));
    default: throw new Error(`no such operator: ${operator}`);
  }
}

// Checks ids, nearest first: their distances are those of the nearest rows. Ids may differ among ties.
export function assertNearest(operator, ids, rows = vectors, wanted = query) {
  const all = rows.map((values) => distance(operator, values, wanted));
  const expected = all.toSorted((a, b) => a - b).slice(0, LIMIT);
  assert.equal(ids.length, LIMIT);
  ids.forEach((id, i) => assert.ok(Math.abs(all[Number(id) - 1] - expected[i]) < 1e-4, `${operator}: row ${id} at ${i}`));
}

export const server = {
  host: process.env.PGHOST, port: Number(process.env.PGPORT), user: process.env.PGUSER,
};

export const url = (database) =>
  `postgresql://${server.user}@localhost:${server.port}/${database}?host=${encodeURIComponent(server.host)}`;

async function onServer(statement) {
  const client = new pg.Client({ ...server, database: 'postgres' });
  await client.connect();
  await client.query(statement);
  await client.end();
}

// A fresh database of that name.
export async function createDatabase(name) {
  await onServer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await onServer(`CREATE DATABASE ${name}`);
  return name;
}

// The plan of a statement without parameters, in a session of its own with the index preferred.
export async function plan(database, statement) {
  const client = new pg.Client({ ...server, database });
  await client.connect();
  await client.query(BY_INDEX.join(';'));
  const { rows } = await client.query(`EXPLAIN ${statement}`);
  await client.end();
  return rows.map((line) => line['QUERY PLAN']).join('\n');
}
