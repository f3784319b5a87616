package command

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
)

func status() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show every part: does it run, since when, how often did it die and why, how much memory",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.OpenOwn()
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			printStatus(os.Stdout, s, time.Now())
			if len(s.Unready) > 0 {
				return fmt.Errorf("not ready:\n  - %s", strings.Join(s.Unready, "\n  - "))
			}
			return nil
		},
	}
}

func printStatus(out io.Writer, s cluster.Status, now time.Time) {
	fmt.Fprintf(out, "meta cluster of %s, %d nodes, state in %s\n\n", s.Run.Checkout, s.Run.Nodes, s.State)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PART\tSTATE\tPID\tAGE\tRESTARTS\tRSS\tLAST EXIT")
	var total int64
	for _, p := range s.Parts {
		total += p.RSS
		fmt.Fprintln(w, row(p, now))
	}
	fmt.Fprintf(w, "total\t\t\t\t\t%s\t\n", mib(total))
	w.Flush()
}

func row(p cluster.PartState, now time.Time) string {
	if p.Pods() {
		return fmt.Sprintf("%s\t\t\t\t\t%s\t", p.Name, mib(p.RSS))
	}
	exit := p.LastExit
	if exit != "" {
		exit = fmt.Sprintf("%s, %s ago", exit, age(now, p.DiedAt))
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%s", p.Name, p.Running(), pid(p.PID), age(now, p.StartedAt), p.Restarts, mib(p.RSS), exit)
}

func mib(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }

func pid(id int) string {
	if id == 0 {
		return "-"
	}
	return fmt.Sprint(id)
}

func age(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	return now.Sub(then).Round(time.Second).String()
}

func logs() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs PART",
		Short: "Print the log of a part; metacluster status names the parts",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return tail(args[0], follow) },
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is written from now on")
	return cmd
}

// tail becomes the program that prints the log.
func tail(part string, follow bool) error {
	c, err := cluster.OpenOwn()
	if err != nil {
		return err
	}
	path := c.Log(part)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("there is no log of a part %q; metacluster status names the parts, and their logs are in %s", part, c.Logs())
	}
	program, err := exec.LookPath("tail")
	if err != nil {
		return err
	}
	argv := []string{"tail", "-n", "+1", path}
	if follow {
		argv = []string{"tail", "-n", "100", "-F", path}
	}
	return unix.Exec(program, argv, os.Environ())
}
