package engine

import (
	"log/slog"
	"time"

	"stanch/playbooks"
)

// Options are what the operator decides. The zero value is usable.
type Options struct {
	Workers int           // strands executed at once; default 64
	Lease   time.Duration // default 15 s
	Grace   time.Duration // for what is under way when the work ends; default 20 s
	// Limits bound how many calls of a connector are under way at once in this
	// process, by its name (graph, defender); what is not named has no limit.
	Limits map[string]int
	// Budgets are what APIs let us use, by throttling class of the actions; all
	// workers share them. What is not named is not kept waiting.
	Budgets map[string]Budget
	// Lanes bound how many strands of each lane are executed at once in this
	// process; 0 is no limit of its own.
	Lanes      [Lanes]int
	Groups     map[string][]string
	OwnDomains []string
	Labels     []string // sensitivity labels, the least protected first
	Guardrails playbooks.Guardrails
	CapAsks    []string // who may answer when a cap is reached; default: every member of Groups
	UndoAsks   bool     // an undo that widens access needs one approval
	Shadow     bool     // what is begun here to run live runs in shadow: without effects
	Tenant     string   // prefix of subjects, when there are several
	// Now is the clock of the store beside it, between two answers of the
	// store; time.Now if nil. Requests are timed by the machine's own clock.
	Now func() time.Time
	// Journal is a file of this worker's own in which it notes the effects that it
	// begins, for a store that may forget what it has acknowledged: see WentBack.
	// Empty keeps none.
	Journal string
	Log     *slog.Logger
}
