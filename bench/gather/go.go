// SPDX-License-Identifier: MIT

// Go: a goroutine for each task, its value in a slice, and a WaitGroup.
package main

import (
	"os"
	"runtime"
	"sync"
)

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
	tasks, rounds := number(os.Args[3]), number(os.Args[4])
	values := make([]int64, tasks)
	start := usageNow()
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
	emitOps(tasks*rounds, start, usageNow())
}
