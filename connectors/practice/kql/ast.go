package kql

// statement is a let, or without name a query whose table is the answer. A let
// of one bare name has both: what it means shows when it runs.
type statement struct {
	name   string
	pipe   *pipeline
	scalar expr
}

// pipeline is a source and the operators that its rows pass.
type pipeline struct {
	source source
	ops    []operator
}

// source is where rows come from: one of its fields.
type source struct {
	place
	table    string
	group    *pipeline
	union    *operator
	print    []named
	sequence *sequence // range
	inline   *inline   // datatable
	function string    // a let called with ()
}

type sequence struct {
	name           string
	from, to, step expr
}

type inline struct {
	columns []Column
	cells   []expr
}

// operator is one step of a pipeline; which fields it has, its word says.
type operator struct {
	place
	word  string
	cond  expr
	count expr
	items []named
	by    []named
	order []ordering
	globs []glob
	join  *join
	legs  []source
	flags map[string]string // kind, withsource, isfuzzy
	limit expr
}

// named is an expression and the name it is given, "" for none.
type named struct {
	place
	name string
	x    expr
	to   Type // of mv-expand: to typeof(…)
}

type ordering struct {
	x          expr
	asc        bool
	nullsFirst bool
}

// glob is a name in which a star stands for anything.
type glob struct {
	place
	pattern string
}

type join struct {
	kind  string
	right source
	on    []joinKey
}

type joinKey struct {
	place
	left, right string
}

// expr is an expression.
type expr interface{ at() place }

func (p place) at() place { return p }

type (
	literal struct {
		place
		constant
	}
	name struct {
		place
		text string
	}
	member struct {
		place
		of   expr
		name string
	}
	index struct {
		place
		of, by expr
	}
	call struct {
		place
		fn   string
		args []expr
	}
	unary struct {
		place
		op string
		x  expr
	}
	binary struct {
		place
		op   string
		x, y expr
	}
	among struct { // in, has_any, has_all
		place
		op    string
		x     expr
		items []expr
		query *pipeline
	}
	between struct {
		place
		x, low, high expr
		not          bool
	}
	scalarOf struct { // toscalar(T | …)
		place
		query *pipeline
	}
	star struct{ place }
	// slot stands for the value of an aggregate.
	slot struct {
		place
		n   int
		typ Type
	}
)
