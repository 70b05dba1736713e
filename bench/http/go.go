// SPDX-License-Identifier: MIT

// Go's net/http. /slow blocks a thread in a system call, at most POOL at a time; with MODE_=sleep it
// parks the goroutine.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

const slow = 10 * time.Millisecond

func main() {
	pool, err := strconv.Atoi(os.Args[2])
	if err != nil || pool < 1 {
		pool = 1
	}
	places := make(chan struct{}, pool)
	body := []byte("Hello, World!")
	parks := os.Getenv("MODE_") == "sleep"
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Path) > 1 && r.URL.Path[1] == 's' {
			if parks {
				time.Sleep(slow)
			} else {
				places <- struct{}{}
				length := syscall.NsecToTimespec(slow.Nanoseconds())
				syscall.Nanosleep(&length, nil)
				<-places
			}
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Write(body)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	fmt.Println("listening on", listener.Addr())
	panic(http.Serve(listener, nil))
}
