package playbooks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// Expression is a compiled question over the environment. It may be evaluated
// from many goroutines.
type Expression struct {
	source string
	typ    Type
	exact  Type // typ before what only the writing tells was forgotten
	root   ast.Node
	uses   []string
	names  []string
	admit  bool
	read   *checker // what Compile found out; nil with errors

	program  *vm.Program
	cells    []int // where the program holds the budget
	machines sync.Pool

	split sync.Once
	parts []*Expression // what `and` joins, once split
	brief string        // of such a part, its text
	// ofEvent says that such a part reads nothing but what an event carries.
	ofEvent bool
}

// Source is the expression as written.
func (e *Expression) Source() string { return e.source }

// Type is the type of what Eval answers.
func (e *Expression) Type() Type { return e.typ }

// Uses are the dotted names that the expression reads, in the order of the
// text, each once: steps.access.permissions.
func (e *Expression) Uses() []string { return slices.Clone(e.uses) }

// Env is what an evaluation knows.
type Env struct {
	Names      map[string]any // plain values by name; never changed
	Now        time.Time      // what now() answers
	OwnDomains []string       // the organisation's, for external()
}

// The codes of an EvalError.
const (
	codeInvalid = "invalid"
	codeLimit   = "limit"
)

// EvalError says why an evaluation gave no value.
type EvalError struct {
	Code     string // invalid, or limit: one of the limits of an evaluation was reached
	Message  string
	From, To int // rune offsets in the source
}

func (e *EvalError) Error() string { return e.Message }

// ErrorCode is the code by which playbooks and runs know the error.
func (e *EvalError) ErrorCode() string { return e.Code }

// Compile parses and checks an expression. It answers all problems at once;
// when none is an error the expression can be evaluated, and gives values of
// its Type, which fits want. With errors the expression is not nil but cannot
// be evaluated.
func Compile(src string, s Scope, want Type) (*Expression, []Problem) {
	e := &Expression{source: src, typ: AnyType()}
	if want.kind != kindNone {
		e.typ = want
	}
	read, problems := parse(src)
	if len(problems) > 0 {
		return e, problems
	}
	c := &checker{source: read, scope: s, functions: library(), types: map[ast.Node]Type{}}
	got := c.infer(read.root, flow{facts: s.facts})
	c.wantResult(got, want)
	e.root, e.uses = read.root, c.uses
	e.exact = got
	if got = got.widen(); got.kind != kindBroken && (got.kind != kindAny || want.kind == kindNone) {
		e.typ = got
	}
	slices.SortStableFunc(c.problems, func(a, b Problem) int { return a.From - b.From })
	if slices.ContainsFunc(c.problems, Problem.IsError) {
		return e, c.problems
	}
	if err := e.build(c); err != nil {
		from, to := c.span(read.root)
		return e, append(c.problems, Problem{from, to, "E301", err.Error(), ""})
	}
	return e, c.problems
}

// wantResult checks the type of the whole.
func (c *checker) wantResult(got, want Type) {
	if got.Fits(want) {
		return
	}
	switch {
	case got.Optional() && !want.Optional() && got.Present().Fits(want):
		c.reportAbsent(c.root, got)
	case want.kind == kindBoolean:
		c.report(c.root, "E309", fmt.Sprintf("a condition is true or false, not %s", got.widen()), "compare it with something")
	default:
		c.report(c.root, "E314", fmt.Sprintf("expected %s, got %s", want, got.widen()), convertHint(got, want))
	}
}

// build makes the program.
func (e *Expression) build(c *checker) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be compiled: %v", r)
		}
	}()
	if err := e.assemble(c, nil); err != nil {
		return err
	}
	e.read = c
	for _, path := range e.uses {
		name, _, _ := strings.Cut(path, ".")
		if !slices.Contains(e.names, name) {
			e.names = append(e.names, name)
		}
	}
	e.admit = !e.typ.IsScalar() && (pathOf(c.root, pathOfName) == "" || c.types[c.root].kind == kindAny) ||
		c.types[c.root].kind == kindAny
	return nil
}

// assemble makes the machine's program. watch, unless nil, may put something
// around the value of each part.
func (e *Expression) assemble(c *checker, watch func(n, lowered ast.Node) ast.Node) (err error) {
	cell := &budget{}
	l := &lowering{
		checker: c, budget: &ast.ConstantNode{Value: cell}, loop: &loopCost{}, calls: conf.FunctionsTable{}, watch: watch,
	}
	root := l.lower(c.root)
	config := &conf.Config{Functions: l.calls, ShortCircuit: true, Optimize: true, Strict: true}
	config.WithEnv(map[string]any{})
	if e.program, err = compiler.Compile(&parser.Tree{Node: root, Source: file.NewSource(c.text)}, config); err != nil {
		return err
	}
	for i, constant := range e.program.Constants {
		if constant == any(cell) {
			e.cells = append(e.cells, i)
		}
	}
	return nil
}

// machine runs one evaluation at a time: expr's machine, and a program with a
// budget of its own in it.
type machine struct {
	vm      vm.VM
	program vm.Program
	budget  budget
}

func (e *Expression) machine() *machine {
	if m, ok := e.machines.Get().(*machine); ok {
		return m
	}
	m := &machine{program: *e.program}
	m.program.Constants = slices.Clone(e.program.Constants)
	for _, i := range e.cells {
		m.program.Constants[i] = &m.budget
	}
	return m
}

// keepLoops is how many loops a machine may have entered to be used again: its
// memory for them does not shrink.
const keepLoops = 1000

// Eval answers the value, or an *EvalError. It changes nothing in env and ends
// within the limits.
func (e *Expression) Eval(env Env) (v any, err error) {
	if e.program == nil {
		return nil, &EvalError{Code: codeInvalid, Message: "the expression has errors", To: 1}
	}
	for _, name := range e.names {
		if _, ok := env.Names[name]; !ok {
			return nil, &EvalError{Code: codeInvalid, Message: fmt.Sprintf("`%s` has no value here", name), To: 1}
		}
	}
	m := e.machine()
	m.budget.reset(env)
	defer func() {
		if r := recover(); r != nil {
			v, err = nil, e.failure(fmt.Errorf("%v", r))
			return
		}
		if m.budget.loops < keepLoops {
			e.machines.Put(m)
		}
	}()
	if v, err = m.vm.Run(&m.program, env.Names); err == nil && e.admit {
		err = m.budget.admit(v, e.typ)
	}
	if err != nil {
		return nil, e.failure(err)
	}
	return v, nil
}

// failure says in our words why the machine stopped.
func (e *Expression) failure(err error) *EvalError {
	out := &EvalError{Code: codeInvalid, To: min(1, len(e.source)), Message: err.Error()}
	if at, ok := errors.AsType[*file.Error](err); ok {
		out.Message = at.Message
		if at.To > at.From {
			out.From, out.To = at.From, at.To
		}
		if at.Prev != nil {
			out.Message = at.Prev.Error()
		}
	}
	if limit, ok := errors.AsType[*limitError](err); ok {
		out.Code, out.Message = codeLimit, "an expression's limit was reached: "+limit.message
		return out
	}
	switch {
	case strings.Contains(out.Message, "memory budget exceeded"):
		out.Code, out.Message = codeLimit, "an expression's limit was reached: too many values made"
	case strings.HasPrefix(out.Message, "cannot fetch"):
		out.Message = "a part is read of a value that is absent or has none"
	case strings.Contains(out.Message, "is nil, not bool"):
		out.Message = "a condition is absent, neither true nor false"
	case strings.Contains(out.Message, "interface conversion"):
		out.Message = "a value has not the type that is expected here"
	}
	return out
}
