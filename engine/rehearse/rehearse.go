package rehearse

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"stanch/actions"
	"stanch/engine"
	"stanch/playbooks"
)

// Desk is the world of one lane of rehearsals: what answers the actions that a
// case does not name. It serves one case at a time.
type Desk struct {
	Catalog *actions.Catalog
	// Reset makes the world again what it was at the start.
	Reset func() error
	// Inject puts a Graph incident into the world unless it has one of its id.
	Inject func(id string, graph []byte) error
	// Faults sets what goes wrong on the wire, as POST /practice/faults does.
	Faults func(list []byte) error
}

// Options say what the cases run in. Desk and Read are needed.
type Options struct {
	Desk       func(now func() time.Time) (Desk, error)
	Read       func(file string) ([]byte, error) // a fixture
	World      playbooks.World                   // its Catalog is the desk's
	Guardrails playbooks.Guardrails
	Lanes      int            // cases at once; default: as many as processors
	Only       *regexp.Regexp // cases whose name, or file and name, it finds; nil: all
}

// Suite is a test file with its playbook, both without errors.
type Suite struct {
	Cases   *playbooks.CaseFile
	Book    playbooks.Source
	Dir     string                      // where fixtures are looked for
	Checked *playbooks.Playbook         // the same, checked
	Calls   map[string]playbooks.Source // playbooks that it may call, by id
	Lists   map[string]playbooks.List   // reference lists beside it; nil: those of Options.World
}

// The statuses of a Result.
const (
	Passed = "passed"
	Failed = "failed"
	Broken = "error" // the case could not be tried, such as for a fixture that is missing
)

// Result is what became of one case.
type Result struct {
	File    string // the test file
	Line    int    // of the case in it
	Name    string
	Status  string
	Message string // what was expected and what came, over several lines
	Took    time.Duration
	Run     engine.Run // zero where none was begun
	Reached Reached
}

// Report is what became of all cases, in the order of files and of the cases in
// them.
type Report struct {
	Results  []Result
	Coverage []Coverage // of each playbook, in the order of their files
}

// Failed reports whether a case did not pass.
func (r Report) Failed() bool {
	return slices.ContainsFunc(r.Results, func(r Result) bool { return r.Status != Passed })
}

// Run tries all cases of the suites, several at once. The error says that
// nothing could be tried at all.
func Run(ctx context.Context, suites []Suite, o Options) (Report, error) {
	type job struct {
		suite *Suite
		c     *playbooks.Case
		at    int
	}
	var jobs []job
	for i := range suites {
		for k := range suites[i].Cases.Cases {
			c := &suites[i].Cases.Cases[k]
			name := suites[i].Cases.File + "/" + c.Name
			if o.Only == nil || o.Only.MatchString(name) {
				jobs = append(jobs, job{&suites[i], c, len(jobs)})
			}
		}
	}
	results := make([]Result, len(jobs))
	err := o.lanes(len(jobs), func(l *lane, i int) error {
		results[i] = l.try(ctx, jobs[i].suite, jobs[i].c)
		return ctx.Err()
	})
	if err != nil {
		return Report{}, err
	}
	report := Report{Results: results}
	report.Coverage, err = o.coverage(suites, results)
	return report, err
}

// catalog answers the actions that there are.
func (o Options) catalog() (*actions.Catalog, error) {
	desk, err := o.Desk(founded)
	return desk.Catalog, err
}

// lanes does n jobs on as many lanes as are wanted; a lane does one at a time.
func (o Options) lanes(n int, do func(l *lane, i int) error) error {
	count := o.Lanes
	if count <= 0 {
		count = runtime.GOMAXPROCS(0)
	}
	count = min(count, n)
	next := make(chan int)
	stop := make(chan struct{})
	var once sync.Once
	var first error
	fail := func(err error) { once.Do(func() { first = err; close(stop) }) }
	var wg sync.WaitGroup
	for range count {
		wg.Go(func() {
			l, err := newLane(o)
			if err != nil {
				fail(fmt.Errorf("rehearse: %w", err))
				return
			}
			defer l.close()
			for i := range next {
				if err := do(l, i); err != nil {
					fail(err)
					return
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
			continue
		case <-stop:
		}
		break
	}
	close(next)
	wg.Wait()
	return first
}
