// SPDX-License-Identifier: MIT
// bench.h for node: what the process has used so far, and the lines that a program prints.
'use strict';
const fs = require('fs');
const path = require('path');

exports.usageNow = () => {
  const used = process.resourceUsage();
  return {
    wall: process.hrtime.bigint(),
    cpu: (used.userCPUTime + used.systemCPUTime) * 1e3,
    switches: used.voluntaryContextSwitches + used.involuntaryContextSwitches,
  };
};

exports.emit = (workload, peer, metric, value, unit) =>
  console.log(`${workload} ${peer} ${metric} ${Number(value.toPrecision(6))} ${unit}`);

exports.emitOps = (workload, peer, count, start, end) => {
  const wall = Number(end.wall - start.wall);
  exports.emit(workload, peer, 'ns_per_op', wall / count, 'ns');
  exports.emit(workload, peer, 'ops_per_s', (count * 1e9) / wall, '1/s');
  exports.emit(workload, peer, 'cpu_ns_per_op', (end.cpu - start.cpu) / count, 'ns');
  exports.emit(workload, peer, 'ctxsw_per_op', (end.switches - start.switches) / count, '1');
  exports.emit(workload, peer, 'wall', wall / 1e6, 'ms');
};

// A line of /proc/self/status: VmHWM is the most memory that the process has had.
exports.statusKb = (key) => {
  const lines = fs.readFileSync('/proc/self/status', 'utf8').split('\n');
  return Number(lines.find((line) => line.startsWith(key)).split(/\s+/)[1]);
};

// What FOLDER/node_napi.c was built to.
exports.addon = (folder) => {
  const built = process.env.BENCH_BIN || path.join(__dirname, '../../build/bench');
  return require(path.join(built, `${folder}_node_napi.node`));
};
