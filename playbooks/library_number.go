package playbooks

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
)

// numberFunctions calculate.
func numberFunctions() map[string]function {
	round := func(name, doc string, to func(float64) float64) function {
		return function{
			params: []Type{NumberType()}, result: IntegerType(), doc: doc, example: name + "(2.5)",
			eval: func(_ *budget, args []any) (any, error) { return roundBy(to, args[0]) },
		}
	}
	return map[string]function{
		"min": {
			min: 1, max: manyArguments, sign: "([T]) T", doc: "The smallest; of no items it is an error.",
			example: "min(3, 5)", infer: inferExtreme, lower: lowerExtreme, eval: extreme(-1),
		},
		"max": {
			min: 1, max: manyArguments, sign: "([T]) T", doc: "The largest; of no items it is an error.",
			example: "max(map(evidence.files, .size ?? 0))", infer: inferExtreme, lower: lowerExtreme, eval: extreme(1),
		},
		"mean": {
			min: 1, max: 1, sign: "([number]) number", doc: "The average; of no items it is an error.",
			example: "mean([1, 2, 6])", infer: inferMean, eval: evalMean,
		},
		"abs": {
			min: 1, max: 1, sign: "(number) number", doc: "The number without its sign.",
			example: "abs(-3)", infer: inferAbs, eval: evalAbs,
		},
		"ceil":  round("ceil", "The next whole number above.", math.Ceil),
		"floor": round("floor", "The next whole number below.", math.Floor),
		"round": round("round", "The nearest whole number; halves away from zero.", math.Round),
		"int": {
			min: 1, max: 1, sign: "(string | number) integer", doc: "The whole number that a text says, or the whole part of a number.",
			example: `int("42")`, infer: inferConvert, eval: evalInt,
		},
		"float": {
			min: 1, max: 1, sign: "(string | number) number", doc: "The number that a text says.",
			example: `float("4.2")`, infer: inferConvert, eval: evalFloat,
		},
	}
}

// inferExtreme takes one list, or values one by one.
func inferExtreme(c *checker, k call, f flow) Type {
	item := Type{kind: kindNever}
	if len(k.args) == 1 {
		item = c.list(k, 0, f)
	}
	for i, arg := range k.args {
		if len(k.args) == 1 {
			break
		}
		t, ok := Unify(item, c.present(arg, c.infer(arg, f)))
		if !ok {
			c.report(k.args[i], "E308", fmt.Sprintf("%s cannot be compared with %s", c.types[arg].widen(), item.widen()), "")
			t = broken()
		}
		item = t
	}
	t := c.present(k.args[0], item)
	switch {
	case t.numeric(), t.kind == kindTime, t.kind == kindDuration, t.kind == kindAny, t.kind == kindBroken:
		return t
	}
	return c.report(k.node, "E308", fmt.Sprintf("%s compares numbers, times or durations, not %s", k.name, t.widen()), "")
}

func lowerExtreme(l *lowering, k call) ast.Node {
	args := l.lowerAll(k.args)
	if len(args) == 1 {
		return l.call(k.name, l.functions[k.name].eval, args...)
	}
	l.loop.built += 48 + 16*len(args)
	list := &ast.ArrayNode{Nodes: args}
	list.SetType(ListOf(AnyType()).machine())
	return l.call(k.name, l.functions[k.name].eval, list)
}

func extreme(sign int) evaluator {
	return func(b *budget, args []any) (any, error) {
		items, err := listArgument(args, 0)
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			return nil, errors.New("an empty list has no smallest or largest item: test len() before")
		}
		if err := b.visit(len(items)); err != nil {
			return nil, err
		}
		best := items[0]
		for _, item := range items {
			c, err := order(item, best)
			if err != nil {
				return nil, err
			}
			if c*sign > 0 {
				best = item
			}
		}
		return best, nil
	}
}

func inferMean(c *checker, k call, f flow) Type {
	t := c.present(k.args[0], c.list(k, 0, f))
	if !t.Fits(NumberType()) {
		c.report(k.args[0], "E308", fmt.Sprintf("mean needs numbers, not %s", t.widen()), "")
	}
	return NumberType()
}

func evalMean(b *budget, args []any) (any, error) {
	items, err := listArgument(args, 0)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, errors.New("an empty list has no average: test len() before")
	}
	total, err := sumOf(NumberType())(b, args)
	if err != nil {
		return nil, err
	}
	x, _ := asFloat(total)
	return finite(x / float64(len(items)))
}

// sumOf adds up a list; t says what the sum of nothing is.
func sumOf(t Type) evaluator {
	return func(b *budget, args []any) (any, error) {
		items, err := listArgument(args, 0)
		if err != nil {
			return nil, err
		}
		if err := b.visit(len(items)); err != nil {
			return nil, err
		}
		if t.kind == kindDuration && len(items) == 0 {
			return time.Duration(0), nil
		}
		var total any = 0
		for i, item := range items {
			if _, text := item.(string); text {
				return nil, fmt.Errorf("sum adds numbers or durations, not %s", describe(item))
			}
			if i == 0 {
				if total, err = evalNumber(item); err != nil {
					return nil, err
				}
				continue
			}
			if total, err = evalAdd(b, []any{total, item}); err != nil {
				return nil, err
			}
		}
		return total, nil
	}
}

func evalNumber(v any) (any, error) {
	switch v.(type) {
	case int, float64, time.Duration:
		return v, nil
	}
	return nil, fmt.Errorf("sum adds numbers or durations, not %s", describe(v))
}

func inferAbs(c *checker, k call, f flow) Type {
	t := c.present(k.args[0], c.infer(k.args[0], f))
	switch {
	case t.kind == kindNumber, t.kind == kindDuration, t.kind == kindAny, t.kind == kindBroken:
		return t
	case t.numeric():
		return IntegerType()
	}
	return c.report(k.args[0], "E308", fmt.Sprintf("abs needs a number or a duration, not %s", t.widen()), "")
}

func evalAbs(b *budget, args []any) (any, error) {
	switch x := args[0].(type) {
	case int:
		if x >= 0 {
			return x, nil
		}
	case float64:
		return math.Abs(x), nil
	case time.Duration:
		if x >= 0 {
			return x, nil
		}
	}
	return evalNegate(b, args)
}

func roundBy(to func(float64) float64, v any) (any, error) {
	if i, ok := v.(int); ok {
		return i, nil
	}
	f, ok := v.(float64)
	if !ok {
		return nil, fmt.Errorf("a number is needed here, not %s", describe(v))
	}
	return wholeFloat(to(f))
}

// wholeFloat is a float as an int, when it fits.
func wholeFloat(f float64) (any, error) {
	if math.IsNaN(f) || f < math.MinInt64 || f >= math.MaxInt64 {
		return nil, errOverflow
	}
	return int(f), nil
}

// inferConvert is for int and float.
func inferConvert(c *checker, k call, f flow) Type {
	t := c.present(k.args[0], c.infer(k.args[0], f))
	if !t.numeric() && !t.textual() && t.kind != kindAny && t.kind != kindBroken {
		c.report(k.args[0], "E308", fmt.Sprintf("%s reads text or numbers, not %s", k.name, t.widen()), "")
	}
	if written, ok := k.args[0].(*ast.StringNode); ok {
		if _, err := c.functions[k.name].eval(&budget{match: maxMatch}, []any{written.Value}); err != nil {
			c.report(written, "E316", err.Error(), "")
		}
	}
	if k.name == "int" {
		return IntegerType()
	}
	return NumberType()
}

func evalInt(b *budget, args []any) (any, error) {
	switch x := args[0].(type) {
	case int:
		return x, nil
	case float64:
		return wholeFloat(math.Trunc(x))
	case string:
		if err := b.read(len(x)); err != nil {
			return nil, err
		}
		i, err := strconv.Atoi(strings.TrimSpace(x))
		if err != nil {
			return nil, fmt.Errorf("%q is no whole number", shorten(x))
		}
		return i, nil
	}
	return nil, fmt.Errorf("int reads text or numbers, not %s", describe(args[0]))
}

func evalFloat(b *budget, args []any) (any, error) {
	switch x := args[0].(type) {
	case int:
		return float64(x), nil
	case float64:
		return x, nil
	case string:
		if err := b.read(len(x)); err != nil {
			return nil, err
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(x), 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("%q is no number", shorten(x))
		}
		return f, nil
	}
	return nil, fmt.Errorf("float reads text or numbers, not %s", describe(args[0]))
}
