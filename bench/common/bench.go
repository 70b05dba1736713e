// SPDX-License-Identifier: MIT

// What the programs in Go share: arguments, what a process has used, and what is printed.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

var began = time.Now()

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return value
}

// usage is in nanoseconds.
type usage struct{ wall, cpu, switches int64 }

func usageNow() usage {
	var used syscall.Rusage
	syscall.Getrusage(0, &used)
	return usage{int64(time.Since(began)), used.Utime.Nano() + used.Stime.Nano(), used.Nvcsw + used.Nivcsw}
}

// emit prints a line WORKLOAD PEER METRIC VALUE UNIT.
func emit(metric string, value float64, unit string) {
	fmt.Printf("%s %s %s %.6g %s\n", os.Args[1], os.Args[2], metric, value, unit)
}

// emitOps prints what so many operations took.
func emitOps(operations int64, start, end usage) {
	count, wall := float64(operations), float64(end.wall-start.wall)
	emit("ns_per_op", wall/count, "ns")
	emit("ops_per_s", count*1e9/wall, "1/s")
	emit("cpu_ns_per_op", float64(end.cpu-start.cpu)/count, "ns")
	emit("ctxsw_per_op", float64(end.switches-start.switches)/count, "1")
	emit("wall", wall/1e6, "ms")
}
