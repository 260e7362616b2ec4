package playbooks

import (
	"errors"
	"time"
)

// Expression is a compiled question over the environment. It may be evaluated
// from many goroutines.
type Expression struct {
	source string
	typ    Type
	uses   []string
}

// Source is the expression as written.
func (e *Expression) Source() string { return e.source }

// Type is the type of what Eval answers.
func (e *Expression) Type() Type { return e.typ }

// Uses are the dotted names that the expression reads, in order, each once:
// steps.access.permissions.
func (e *Expression) Uses() []string { return e.uses }

// Env is what an evaluation knows.
type Env struct {
	Names      map[string]any // plain values by name
	Now        time.Time      // what now() answers
	OwnDomains []string       // the organisation's, for external()
}

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
// without errors among them (codes that begin with E) the expression can be
// evaluated and gives values of its Type, which fits want.
func Compile(src string, s Scope, want Type) (*Expression, []Problem) {
	return &Expression{source: src, typ: AnyType()}, nil
}

// Eval answers the value, or an *EvalError.
func (e *Expression) Eval(env Env) (any, error) { return nil, errors.New("playbooks: eval") }
