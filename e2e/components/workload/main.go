// Command workload is what runs in the pods of demos and scenarios: a small web server, a client for it, a memory hog, and reading
// and writing of files, in one static binary without a shell.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const usage = `workload serve [ADDRESS]    answer every request with this pod's name (default :8080)
workload get URL            print what the URL answers
workload hog MIB            fill MIB mebibytes of memory, then wait
workload write FILE TEXT    write TEXT and wait until it is on disk
workload read FILE          print FILE
workload wait               do nothing until told to end
workload fail AFTER         end with an error after the duration`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) >= 1 && args[0] == "serve":
		return serve(append(args, ":8080")[1])
	case len(args) == 2 && args[0] == "get":
		return get(args[1])
	case len(args) == 2 && args[0] == "hog":
		return hog(args[1])
	case len(args) == 3 && args[0] == "write":
		return write(args[1], args[2])
	case len(args) == 2 && args[0] == "read":
		return read(args[1])
	case len(args) == 1 && args[0] == "wait":
		return wait()
	case len(args) == 2 && args[0] == "fail":
		return fail(args[1])
	}
	return fmt.Errorf("%s", usage)
}

func serve(address string) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	go func() {
		wait()
		os.Exit(0)
	}()
	fmt.Println("serving on", address)
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, name)
	}))
}

func get(url string) error {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

// hog touches every page, so that the kernel really has to find the memory.
func hog(mib string) error {
	n, err := strconv.Atoi(mib)
	if err != nil {
		return fmt.Errorf("MIB has to be a whole number: %w", err)
	}
	var held [][]byte
	for range n {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += os.Getpagesize() {
			block[i] = 1
		}
		held = append(held, block)
	}
	fmt.Println("holding", len(held), "MiB")
	return wait()
}

func write(path, text string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, text); err != nil {
		return err
	}
	return f.Sync()
}

func read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(os.Stdout, f)
	return err
}

func wait() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
	return nil
}

func fail(after string) error {
	d, err := time.ParseDuration(after)
	if err != nil {
		return err
	}
	time.Sleep(d)
	return fmt.Errorf("failed after %s, as asked", d)
}
