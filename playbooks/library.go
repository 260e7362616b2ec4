package playbooks

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
)

// Function is a function that expressions may call. The list is closed:
// functions of expr that are not in it are refused.
type Function struct {
	Name      string
	Signature string // external(string) boolean
	Doc       string
	Example   string // an expression over the sample incident of the manual
	Result    string // what it answers there, as JSON
}

// function is a Function with what the checker and the machine need. A function
// has either fixed params and result, or infer.
type function struct {
	min, max int
	params   []Type
	result   Type
	sign     string // for a function with infer: its signature behind the name
	doc      string
	example  string
	check    func(text string) error // of an argument that is written
	checkAt  int                     // which one
	infer    func(c *checker, k call, f flow) Type
	lower    func(l *lowering, k call) ast.Node
	eval     evaluator
}

const manyArguments = 1 << 20

// Library are the functions of expressions, by name: what documentation, hover
// and completion show.
func Library() []Function {
	all, results := library(), exampleResults()
	out := make([]Function, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fn := all[name]
		out = append(out, Function{Name: name, Signature: name + fn.signature(), Doc: fn.doc, Example: fn.example, Result: results[name]})
	}
	return out
}

// ReservedNames are names that steps, vars and loops may not have: words of the
// language, and functions, which they would hide.
func ReservedNames() []string {
	names := []string{
		"true", "false", "nil", "not", "and", "or", "in", "let", "if", "else",
		"contains", "matches", "startsWith", "endsWith",
	}
	for name := range library() {
		names = append(names, name)
	}
	for name := range builtin.Index {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (fn function) signature() string {
	if fn.sign != "" {
		return fn.sign
	}
	parts := make([]string, len(fn.params))
	for i, p := range fn.params {
		parts[i] = p.String()
		if i >= fn.min {
			parts[i] += "?"
		}
	}
	return "(" + strings.Join(parts, ", ") + ") " + fn.result.String()
}

// library is every function by name.
var library = sync.OnceValue(func() map[string]function {
	all := map[string]function{}
	for _, shelf := range []func() map[string]function{
		questionFunctions, byFunctions, listFunctions, numberFunctions, textFunctions, timeFunctions,
		securityFunctions, labelFunctions, reportFunctions, escapeFunctions,
	} {
		for name, fn := range shelf() {
			if fn.infer == nil {
				fn.max = len(fn.params)
				if fn.min == 0 {
					fn.min = fn.max
				}
				fn.infer = inferFixed
			}
			all[name] = fn
		}
	}
	return all
})

// inferFixed checks arguments against fixed params.
func inferFixed(c *checker, k call, f flow) Type {
	fn := c.functions[k.name]
	for i, arg := range k.args {
		c.wantType(arg, c.infer(arg, f), fn.params[i])
	}
	if fn.check != nil && len(k.args) > fn.checkAt {
		if written, ok := k.args[fn.checkAt].(*ast.StringNode); ok {
			if err := fn.check(written.Value); err != nil {
				c.report(written, "E316", err.Error(), "as in "+fn.example)
			}
		}
	}
	return fn.result
}
