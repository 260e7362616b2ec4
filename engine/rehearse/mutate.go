package rehearse

import (
	"cmp"
	"context"
	"slices"

	"stanch/playbooks"
)

// Survivor is a change of a playbook that none of its cases noticed.
type Survivor struct {
	File   string                `json:"file"`
	Line   int                   `json:"line"`
	Column int                   `json:"column"`
	Path   string                `json:"path,omitempty"`
	Class  playbooks.MutantClass `json:"class"`
	Change string                `json:"change"`
}

// Mutation is what became of the changes of all playbooks.
type Mutation struct {
	Tried     int        `json:"tried"`
	Noticed   int        `json:"noticed"`
	Refused   int        `json:"refused"` // the checker does not take them: no test is needed
	Survivors []Survivor `json:"survivors"`
}

// Class counts the survivors of a class.
func (m Mutation) Class(c playbooks.MutantClass) int {
	n := 0
	for _, s := range m.Survivors {
		if s.Class == c {
			n++
		}
	}
	return n
}

// The verdicts on a mutant.
const (
	mutantNoticed = iota + 1
	mutantRefused
	mutantSurvived
)

// mutantMoves bounds the clock of a mutant: one that goes on much longer than
// any case is noticed.
const mutantMoves = 2000

// Mutate tries the changes of every playbook against its cases, which all have
// to pass as it is: results are those of Run. A change is noticed when a case
// does not pass with it.
func Mutate(ctx context.Context, suites []Suite, results []Result, o Options) (Mutation, error) {
	catalog, err := o.catalog()
	if err != nil {
		return Mutation{}, err
	}
	type job struct {
		suites []*Suite // of one playbook
		mutant playbooks.Mutant
	}
	var jobs []job
	for _, group := range grouped(suites) {
		w := group[0].within(o.World)
		w.Catalog = catalog
		for _, m := range playbooks.Mutants(group[0].Book.File, group[0].Book.Text, w) {
			jobs = append(jobs, job{group, m})
		}
	}
	reach := reachedBy(results)
	verdicts := make([]int, len(jobs))
	err = o.lanes(len(jobs), func(l *lane, i int) error {
		verdicts[i] = l.notices(ctx, jobs[i].suites, jobs[i].mutant, o, reach)
		return ctx.Err()
	})
	if err != nil {
		return Mutation{}, err
	}
	out := Mutation{Survivors: []Survivor{}}
	for i, v := range verdicts {
		switch v {
		case mutantRefused:
			out.Refused++
			continue
		case mutantNoticed:
			out.Noticed++
		default:
			m := jobs[i].mutant
			out.Survivors = append(out.Survivors, Survivor{jobs[i].suites[0].Book.File, m.Line, m.Column, m.Path, m.Class, m.Change})
		}
		out.Tried++
	}
	slices.SortStableFunc(out.Survivors, func(a, b Survivor) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	return out, nil
}

// grouped puts the test files of one playbook together.
func grouped(suites []Suite) [][]*Suite {
	var groups [][]*Suite
	at := map[string]int{}
	for i := range suites {
		s := &suites[i]
		k, known := at[s.Book.File]
		if !known {
			k = len(groups)
			at[s.Book.File] = k
			groups = append(groups, nil)
		}
		groups[k] = append(groups[k], s)
	}
	return groups
}

// reachedBy says for each case which paths it reached: the cases that reach a
// change are tried first.
func reachedBy(results []Result) map[string]map[string]bool {
	out := map[string]map[string]bool{}
	for _, r := range results {
		paths := map[string]bool{}
		for _, points := range r.Reached {
			for p := range points {
				paths[p.Path] = true
			}
		}
		out[r.File+"\x00"+r.Name] = paths
	}
	return out
}

// notices tries the cases of a playbook on a mutant until one does not pass.
func (l *lane) notices(ctx context.Context, suites []*Suite, m playbooks.Mutant, o Options, reach map[string]map[string]bool) int {
	type one struct {
		suite *Suite
		c     *playbooks.Case
		first bool
	}
	var cases []one
	for _, s := range suites {
		mutant := *s
		mutant.Book.Text = m.Text
		for k := range s.Cases.Cases {
			c := &s.Cases.Cases[k]
			if o.Only == nil || o.Only.MatchString(s.Cases.File+"/"+c.Name) {
				cases = append(cases, one{&mutant, c, reach[s.Cases.File+"\x00"+c.Name][m.Path]})
			}
		}
	}
	slices.SortStableFunc(cases, func(a, b one) int {
		switch {
		case a.first == b.first:
			return 0
		case a.first:
			return -1
		}
		return 1
	})
	l.moves = mutantMoves
	defer func() {
		l.moves = mostMoves
		clear(l.books)
		clear(l.engines)
	}()
	for i, one := range cases {
		if i == 0 {
			if _, err := l.book(one.suite, one.c); err != nil {
				return mutantRefused
			}
		}
		if ctx.Err() != nil {
			return mutantNoticed
		}
		if l.try(ctx, one.suite, one.c).Status != Passed {
			return mutantNoticed
		}
	}
	return mutantSurvived
}
