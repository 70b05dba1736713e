// SPDX-License-Identifier: MIT

// Go: a goroutine and a buffer for each connection.
package main

import (
	"fmt"
	"net"
	"os"
)

func echo(connection net.Conn) {
	defer connection.Close()
	data := make([]byte, 64*1024)
	for {
		n, err := connection.Read(data)
		if err != nil {
			return
		}
		if _, err = connection.Write(data[:n]); err != nil {
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	fmt.Println("listening on", listener.Addr())
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go echo(connection)
	}
}
