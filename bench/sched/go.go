// SPDX-License-Identifier: MIT

// Go. chain: each goroutine starts the next; yield: goroutines that call runtime.Gosched(); call: a function
// that is not inlined, since one may wait in any (MODE_=spawn: a goroutine and a channel for each call).
package main

import (
	"os"
	"runtime"
	"sync"
)

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
	mode, total := os.Args[3], number(os.Args[4])
	start := usageNow()
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
	emitOps(total, start, usageNow())
}
