// SPDX-License-Identifier: MIT

// Go: a goroutine for each sleep.
package main

import (
	"os"
	"strings"
	"sync"
	"time"
)

// mostKb is the most memory that the process has had.
func mostKb() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmHWM") {
			return float64(number(strings.Fields(line)[1]))
		}
	}
	return -1
}

func main() {
	count, sleepMs := number(os.Args[3]), number(os.Args[4])
	kbBefore := mostKb()
	start := time.Now()
	var group sync.WaitGroup
	group.Add(int(count))
	for i := int64(0); i < count; i++ {
		go func() {
			time.Sleep(time.Duration(sleepMs) * time.Millisecond)
			group.Done()
		}()
	}
	group.Wait()
	wallMs := float64(time.Since(start)) / 1e6
	kb := mostKb()
	emit("peak_rss", kb/1024, "MiB")
	emit("bytes_per_task", (kb-kbBefore)*1024/float64(count), "B")
	emit("overhead", wallMs-float64(sleepMs), "ms")
	emit("cpu", float64(usageNow().cpu)/1e6, "ms")
}
