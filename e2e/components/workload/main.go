// Command workload is what runs in the pods of demos and scenarios: a small web server, a client for it, a memory hog, and reading
// and writing of files, in one static binary without a shell.
package main

import (
	"errors"
	"fmt"
	"os"
)

const usage = `workload serve [ADDRESS]    answer every request with this pod's name (default :8080)
workload get URL            print what the URL answers
workload hog MIB            fill MIB mebibytes of memory, then wait
workload write FILE TEXT    write TEXT and wait until it is on disk
workload read FILE          print FILE
workload wait               do nothing until told to end`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// commands maps a command to the number of arguments that it needs and to what it does.
var commands = map[string]struct {
	arguments int
	do        func(args []string) error
}{
	"serve": {0, func(args []string) error { return serve(append(args, ":8080")[0]) }},
	"get":   {1, func(args []string) error { return get(args[0]) }},
	"hog":   {1, func(args []string) error { return hog(args[0]) }},
	"write": {2, func(args []string) error { return write(args[0], args[1]) }},
	"read":  {1, func(args []string) error { return read(args[0]) }},
	"wait":  {0, func([]string) error { return wait() }},
}

func run(args []string) error {
	if len(args) > 0 {
		if c, known := commands[args[0]]; known && len(args) > c.arguments {
			return c.do(args[1:])
		}
	}
	return errors.New(usage)
}
