// SPDX-License-Identifier: MIT

// Go: a goroutine for each task, its value in a slice, and a WaitGroup.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
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

func runRound(values []int64) {
	var group sync.WaitGroup
	group.Add(len(values))
	for i := range values {
		go func(i int) {
			runtime.Gosched()
			values[i] = int64(i)
			group.Done()
		}(i)
	}
	group.Wait()
}

func main() {
	workload, peer, tasks, rounds := os.Args[1], os.Args[2], number(os.Args[3]), number(os.Args[4])
	values := make([]int64, tasks)
	cpu, switches := cpuAndSwitches()
	start := time.Now()
	for round := int64(0); round < rounds; round++ {
		runRound(values)
		sum := int64(0)
		for _, value := range values {
			sum += value
		}
		if sum != tasks*(tasks-1)/2 {
			panic("the values do not add up")
		}
	}
	wall := float64(time.Since(start))
	cpuEnd, switchesEnd := cpuAndSwitches()
	count := float64(tasks * rounds)
	emit := func(metric string, value float64, unit string) {
		fmt.Printf("%s %s %s %.6g %s\n", workload, peer, metric, value, unit)
	}
	emit("ns_per_op", wall/count, "ns")
	emit("ops_per_s", count*1e9/wall, "1/s")
	emit("cpu_ns_per_op", float64(cpuEnd-cpu)/count, "ns")
	emit("ctxsw_per_op", float64(switchesEnd-switches)/count, "1")
	emit("wall", wall/1e6, "ms")
}
