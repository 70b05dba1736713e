// SPDX-License-Identifier: MIT

// Go: goroutines post functions through a channel to the one that is the loop. Each holds an OS thread,
// as the threads of other peers do; with MODE=goroutine they do not.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return value
}

func cpuAndSwitches() (int64, int64) {
	var used syscall.Rusage
	syscall.Getrusage(0, &used)
	return used.Utime.Nano() + used.Stime.Nano(), used.Nvcsw + used.Nivcsw
}

func main() {
	workload, peer, producers := os.Args[1], os.Args[2], number(os.Args[3])
	ofEach := number(os.Args[4]) / producers
	total := ofEach * producers
	locked := os.Getenv("MODE") != "goroutine"
	calls := make(chan func(), 1024)
	ran := int64(0)
	cpu, switches := cpuAndSwitches()
	start := time.Now()
	for i := int64(0); i < producers; i++ {
		go func() {
			if locked {
				runtime.LockOSThread()
			}
			for j := int64(0); j < ofEach; j++ {
				calls <- func() { ran++ }
			}
		}()
	}
	for ran < total {
		(<-calls)()
	}
	wall := float64(time.Since(start))
	cpuEnd, switchesEnd := cpuAndSwitches()
	count := float64(total)
	emit := func(metric string, value float64, unit string) {
		fmt.Printf("%s %s %s %.6g %s\n", workload, peer, metric, value, unit)
	}
	emit("ns_per_op", wall/count, "ns")
	emit("ops_per_s", count*1e9/wall, "1/s")
	emit("cpu_ns_per_op", float64(cpuEnd-cpu)/count, "ns")
	emit("ctxsw_per_op", float64(switchesEnd-switches)/count, "1")
	emit("wall", wall/1e6, "ms")
}
