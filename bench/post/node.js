// SPDX-License-Identifier: MIT
// node: threads of an addon call a threadsafe function.
'use strict';
const bench = require('../common/bench.js');

const [workload, peer, ...counts] = process.argv.slice(2);
const [producers, posts] = counts.map(Number);
const ofEach = Math.floor(posts / producers);
const total = ofEach * producers;
let ran = 0;
const start = bench.usageNow();
bench.addon('post').start(producers, ofEach, () => {
  if (++ran < total) return;
  bench.emitOps(workload, peer, total, start, bench.usageNow());
  process.exit(0);
});
