// SPDX-License-Identifier: MIT

// Go. chain: each goroutine starts the next; yield: goroutines that call runtime.Gosched(); call: a function
// that is not inlined, since one may wait in any (MODE_=spawn: a goroutine and a channel for each call).
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

func step(left int64, done chan struct{}) {
	if left == 0 {
		close(done)
		return
	}
	go step(left-1, done)
}

func chain(steps int64) {
	done := make(chan struct{})
	go step(steps, done)
	<-done
}

func yield(tasks, count int64) {
	var group sync.WaitGroup
	group.Add(int(tasks))
	for i := int64(0); i < tasks; i++ {
		go func() {
			for j := int64(0); j < count; j++ {
				runtime.Gosched()
			}
			group.Done()
		}()
	}
	group.Wait()
}

//go:noinline
func addOne(to int64) int64 {
	return to + 1
}

func call(count int64) {
	for sum := int64(0); sum < count; {
		sum = addOne(sum)
	}
}

func spawn(count int64) {
	results := make(chan int64)
	for sum := int64(0); sum < count; {
		go func(to int64) { results <- addOne(to) }(sum)
		sum = <-results
	}
}

func main() {
	workload, peer, mode, total := os.Args[1], os.Args[2], os.Args[3], number(os.Args[4])
	cpu, switches := cpuAndSwitches()
	start := time.Now()
	switch {
	case mode == "chain":
		chain(total)
	case mode == "yield":
		yields := number(os.Args[5])
		yield(total, yields)
		total *= yields
	case os.Getenv("MODE_") == "spawn":
		spawn(total)
	default:
		call(total)
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
