package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"stanch/engine/redisstore/redistest"
)

// Two servers share a store when a minute begins, one of them is killed, and the
// next minute begins: each tick begins one run, and each row of the hunt one in all.
// It waits for two minutes of the clock, so it is done where STANCH_SLOW asks for it;
// two nodes in virtual time are shown by TestTwoNodesOneTick of the triggers.
func TestTwoServersOneTick(t *testing.T) {
	if os.Getenv("STANCH_SLOW") == "" {
		t.Skip("STANCH_SLOW is not set")
	}
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true})
	c.write("books/minutely.yaml", `playbook: minutely
status: stable
on: {schedule: {cron: "* * * * *"}}
steps:
  - stop: "${{ event.id }}"
`)
	c.write("books/rows.yaml", `playbook: rows
status: stable
on:
  hunting:
    schedule: {cron: "* * * * *"}
    query: range n from 1 to 20 step 1
    columns: {n: integer}
steps:
  - stop: "${{ string(event.row.n) }}"
`)
	first, second := c.works("serve", "books"), c.works("serve", "books")
	<-time.After(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
	count := func() (ticks, rows map[string]int) {
		ticks, rows = map[string]int{}, map[string]int{}
		var all []runLine
		c.reads(&all, "runs", "list", "--config", "tenant.yaml", "--output", "json")
		for _, r := range all {
			if r.Playbook == "minutely" {
				ticks[r.Subject]++
			} else {
				row, _, _ := strings.Cut(r.Subject, "@")
				rows[row]++
			}
		}
		return ticks, rows
	}
	c.polls("the first tick", func() bool { ticks, _ := count(); return len(ticks) > 0 })
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.wait(first)
	<-time.After(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
	c.polls("the next tick", func() bool {
		ticks, rows := count()
		return len(ticks) > 1 && len(rows) == 20
	})
	ticks, rows := count()
	for _, of := range []map[string]int{ticks, rows} {
		for what, n := range of {
			if n != 1 {
				t.Errorf("%s began %d runs", what, n)
			}
		}
	}
	if len(ticks) != 2 || len(rows) != 20 {
		t.Errorf("%s", fmt.Sprint(ticks, rows))
	}
	c.retires(second)
}
