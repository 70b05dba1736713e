// SPDX-License-Identifier: MIT
// node: Promise.all() of async functions.
'use strict';
const bench = require('../common/bench.js');

const [workload, peer, ...counts] = process.argv.slice(2);
const [tasks, rounds] = counts.map(Number);

async function child(number) {
  await undefined;
  return number;
}

async function main() {
  const start = bench.usageNow();
  for (let round = 0; round < rounds; round++) {
    const children = [];
    for (let i = 0; i < tasks; i++) children.push(child(i));
    const sum = (await Promise.all(children)).reduce((a, b) => a + b, 0);
    if (sum !== (tasks * (tasks - 1)) / 2) throw new Error('the values do not add up');
  }
  bench.emitOps(workload, peer, tasks * rounds, start, bench.usageNow());
}

main();
