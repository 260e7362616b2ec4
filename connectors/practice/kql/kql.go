// Package kql runs queries in a part of the Kusto Query Language over tables in
// memory: what hunting over Defender XDR and Sentinel needs. It is the engine
// behind the hunting calls of the practice tenant.
//
// Queries are typed before they run, as Kusto's are: a name that is not there,
// or a comparison of values that do not compare, is a semantic error with its
// place. What is not understood is an error, never a guess.
//
// It knows nothing of companies, incidents or HTTP.
//
// Source: learn.microsoft.com/kusto/query.
package kql

import (
	"fmt"
	"time"
)

// Type is the type of a column or expression, by Kusto's name.
type Type string

// The types. Values are bool; int64 (int and long); float64; string (string and
// guid); time.Time; time.Duration; for Dynamic what encoding/json makes of
// JSON, with int64 for whole numbers. nil is null, but a String is never null.
const (
	Bool     Type = "bool"
	Int      Type = "int"
	Long     Type = "long"
	Real     Type = "real"
	String   Type = "string"
	DateTime Type = "datetime"
	TimeSpan Type = "timespan"
	GUID     Type = "guid"
	Dynamic  Type = "dynamic"
)

// Column names a column and its type.
type Column struct {
	Name string
	Type Type
}

// Table is rows in columns.
type Table struct {
	Columns []Column
	Rows    [][]any
}

// Options say what a query sees and may use. The zero value of a bound is the
// default one.
type Options struct {
	Now time.Time
	// Table answers a table by its name, which is compared with its case.
	Table func(name string) (*Table, bool)
	// Work bounds how many rows and values are looked at; default 20 million.
	Work int64
	// Bytes bounds the text that is built; default 256 MiB.
	Bytes int64
}

// Kind says what is wrong with a query.
type Kind int

// The kinds of errors.
const (
	Syntax   Kind = iota + 1 // it cannot be parsed
	Semantic                 // it can, and makes no sense
	Limit                    // it takes more than it may
)

// Error is a query that cannot be run. Line counts from 1, Pos is the place in
// the line from 0, both as Kusto counts; Line is 0 where no place is known.
type Error struct {
	Kind    Kind
	Line    int
	Pos     int
	Token   string // with Syntax: the text at that place
	Message string
}

// Error is Kusto's sentence.
func (e *Error) Error() string { return e.Message }

// Result is what a query answers and what it took.
type Result struct {
	Table
	Work int64 // rows and values looked at
}

// Run runs a query. Its errors are *Error.
func Run(query string, o Options) (Result, error) {
	if o.Work <= 0 {
		o.Work = 20_000_000
	}
	if o.Bytes <= 0 {
		o.Bytes = 256 << 20
	}
	r := &run{o: o, work: o.Work, bytes: o.Bytes}
	p := &parser{lexer: lexer{text: query}}
	statements, err := p.query()
	if err != nil {
		return Result{}, err
	}
	t, err := r.statements(statements)
	if err == nil {
		err = r.over()
	}
	if err != nil {
		return Result{Work: o.Work - r.work}, err
	}
	return Result{*t, o.Work - r.work}, nil
}

// run is one query while it runs.
type run struct {
	known map[string]function
	o     Options
	work  int64
	bytes int64
}

// spend takes n units of work; false when there are no more.
func (r *run) spend(n int) bool {
	r.work -= int64(n)
	return r.work >= 0 && r.bytes >= 0
}

// built takes text of n bytes.
func (r *run) built(n int) bool {
	r.bytes -= int64(n)
	r.work -= int64(n / 64)
	return r.bytes >= 0 && r.work >= 0
}

// over is the error of a query that took too much.
func (r *run) over() error {
	switch {
	case r.bytes < 0:
		return &Error{Kind: Limit, Message: "Query execution has exceeded the allowed limits (80DA0001): The query's memory use is over its bound (E_LOW_MEMORY_CONDITION)."}
	case r.work < 0:
		return &Error{Kind: Limit, Message: "Query execution has exceeded the allowed limits (80DA0007): The query ran out of the time it may take (E_RUNAWAY_QUERY)."}
	}
	return nil
}

// semantic is an error about what was written at a place.
func semantic(at place, format string, args ...any) error {
	return &Error{Kind: Semantic, Line: at.line, Pos: at.pos, Message: fmt.Sprintf(format, args...)}
}

// scope is what names mean at one point of a query.
type scope struct {
	up      *scope
	name    string
	value   constant
	table   *Table
	isTable bool
}

// constant is a value with its type.
type constant struct {
	typ   Type
	value any
}

func (s *scope) find(name string) *scope {
	for ; s != nil; s = s.up {
		if s.name == name {
			return s
		}
	}
	return nil
}

// statements runs the lets in order and answers the last statement's table.
func (r *run) statements(all []statement) (*Table, error) {
	var names *scope
	var out *Table
	for _, s := range all {
		if s.name == "" {
			t, err := r.pipeline(s.pipe, names)
			if err != nil {
				return nil, err
			}
			if out == nil { // Kusto answers several; the first is what the APIs show
				out = t
			}
			continue
		}
		bound := &scope{up: names, name: s.name}
		if s.pipe != nil && (s.scalar == nil || r.namesTable(s, names)) {
			t, err := r.pipeline(s.pipe, names)
			if err != nil {
				return nil, err
			}
			bound.table, bound.isTable = t, true
		} else {
			x, err := r.constant(s.scalar, names)
			if err != nil {
				return nil, err
			}
			bound.value = x
		}
		names = bound
	}
	if out == nil {
		return nil, &Error{Kind: Semantic, Message: "No tabular expression statement found"}
	}
	return out, nil
}

// namesTable reports whether `let x = y` gives a table another name.
func (r *run) namesTable(s statement, names *scope) bool {
	n, is := s.scalar.(*name)
	if !is {
		return false
	}
	if in := names.find(n.text); in != nil {
		return in.isTable
	}
	_, is = r.o.Table(n.text)
	return is
}

// constant computes an expression that sees no row.
func (r *run) constant(x expr, names *scope) (constant, error) {
	b := &binder{run: r, names: names}
	v, err := b.bind(x)
	if err != nil {
		return constant{}, err
	}
	out := v.eval(nil)
	return constant{v.typ, out}, r.over()
}
