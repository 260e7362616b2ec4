package playbooks

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// questionFunctions ask something about each item of a list.
func questionFunctions() map[string]function {
	loop := func(name string, made int) func(*lowering, call) ast.Node {
		return func(l *lowering, k call) ast.Node { return l.lowerLoop(name, k, made) }
	}
	test := func(name, doc, example string) function {
		return function{
			min: 2, max: 2, sign: "([T], question) boolean", doc: doc, example: example,
			infer: inferTest, lower: loop(name, 0),
		}
	}
	find := func(name, result, doc, rest string, infer func(*checker, call, flow) Type) function {
		return function{
			min: 2, max: 2, sign: "([T], question) " + result, doc: doc,
			example: name + `(evidence.files, .label == "Secret")` + rest, infer: infer, lower: loop(name, 0),
		}
	}
	return map[string]function{
		"all":  test("all", "Whether the answer is yes for every item; true of no items.", `all(evidence.files, .site == "/sites/hr")`),
		"any":  test("any", "Whether the answer is yes for some item.", `any(evidence.users, .upn != nil and external(.upn))`),
		"none": test("none", "Whether the answer is yes for no item; true of no items.", `none(evidence.files, .label == "Secret")`),
		"one":  test("one", "Whether the answer is yes for exactly one item.", `one(evidence.files, .label == "Secret")`),
		"filter": {
			min: 2, max: 2, sign: "([T], question) [T]", doc: "The items for which the answer is yes.",
			example: `filter(permissions, .scope == "anonymous")`, infer: inferFilter, lower: loop("filter", 16),
		},
		"map": {
			min: 2, max: 2, sign: "([T], U) [U]", doc: "What the question answers for each item.",
			example: "map(evidence.files, .id)", infer: inferMap, lower: loop("map", 16),
		},
		"count": {
			min: 1, max: 2, sign: "([T], question?) integer", doc: "How many items have the answer yes.",
			example: "count(evidence.files, .label != nil)", infer: inferCount, lower: loop("count", 0),
		},
		"find":          find("find", "T?", "The first item with the answer yes, or nil.", "?.name", inferFind),
		"findLast":      find("findLast", "T?", "The last item with the answer yes, or nil.", "?.name", inferFind),
		"findIndex":     find("findIndex", "integer?", "The position, from 0, of the first item with the answer yes, or nil.", "", inferFindIndex),
		"findLastIndex": find("findLastIndex", "integer?", "The position, from 0, of the last item with the answer yes, or nil.", "", inferFindIndex),
		"sum": {
			min: 1, max: 2, sign: "([T], number?) number", doc: "The sum of the answers, or of the items.",
			example: "sum(evidence.files, .size ?? 0)", infer: inferSum, lower: lowerSum,
		},
		"reduce": {
			min: 2, max: 3, sign: "([T], U, U) U", doc: "One value out of all items: the answer becomes #acc for the next item.",
			example: "reduce(numbers, #acc + #, 0)", infer: inferReduce, lower: loop("reduce", 0),
		},
	}
}

// byFunctions arrange the items of a list by what a question answers.
func byFunctions() map[string]function {
	by := func(eval evaluator) func(*lowering, call) ast.Node {
		return func(l *lowering, k call) ast.Node { return l.lowerBy(k, eval) }
	}
	return map[string]function{
		"groupBy": {
			min: 2, max: 2, sign: "([T], string) {string: [T]}", doc: "The items by what the question answers.",
			example: "groupBy(permissions, .scope)", infer: inferGroupBy, lower: by(evalGroupBy),
		},
		"unique_by": {
			min: 2, max: 2, sign: "([T], scalar) [T]", doc: "The first item of each answer.",
			example: "map(unique_by(evidence.files, .site), .name)", infer: inferUniqueBy, lower: by(evalUniqueBy),
		},
		"sortBy": {
			min: 2, max: 3, sign: `([T], scalar, "asc" or "desc"?) [T]`, doc: "The items in the order of the answers; equal ones stay as they stood.",
			example: `map(sortBy(evidence.files, .name, "desc"), .name)`, infer: inferSortBy, lower: by(evalSortBy),
		},
	}
}

func inferTest(c *checker, k call, f flow) Type {
	c.test(k, 1, c.list(k, 0, f), f)
	return BooleanType()
}

func inferFilter(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	c.test(k, 1, item, f)
	return ListOf(c.narrowed(k, 1, item))
}

func inferMap(c *checker, k call, f flow) Type {
	answer := c.question(k, 1, c.list(k, 0, f), f)
	list := c.types[k.args[0]].Present()
	if list.kind == kindList {
		return listAtLeast(answer, list.def.atLeast)
	}
	return ListOf(answer)
}

func inferCount(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	if len(k.args) > 1 {
		c.test(k, 1, item, f)
	} else if !item.Fits(BooleanType()) {
		c.report(k.node, "E308", fmt.Sprintf("count without a question needs a list of booleans, not of %s", item.widen()),
			fmt.Sprintf("len(%s) counts all items", c.textOf(k.args[0])))
	}
	return IntegerType()
}

func inferFind(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	c.test(k, 1, item, f)
	return OptionalOf(c.narrowed(k, 1, item))
}

func inferFindIndex(c *checker, k call, f flow) Type {
	c.test(k, 1, c.list(k, 0, f), f)
	return OptionalOf(IntegerType())
}

func inferSum(c *checker, k call, f flow) Type {
	t, at := c.list(k, 0, f), k.args[0]
	if len(k.args) > 1 {
		t, at = c.question(k, 1, t, f), questionOf(k.args[1])
	}
	t = c.present(at, t)
	switch {
	case t.kind == kindAny, t.kind == kindBroken, t.kind == kindNumber, t.kind == kindDuration:
		return t
	case t.numeric(), t.kind == kindNever:
		return IntegerType()
	}
	return c.report(at, "E308", fmt.Sprintf("sum adds numbers or durations, not %s", t.widen()), "")
}

func questionOf(n ast.Node) ast.Node {
	if p, ok := n.(*ast.PredicateNode); ok {
		return p.Node
	}
	return n
}

func lowerSum(l *lowering, k call) ast.Node {
	list := k.args[0]
	if len(k.args) == 1 {
		return l.call("sum", sumOf(l.types[k.node]), l.lower(list))
	}
	answers := l.lowerLoop("map", k, 16)
	answers.SetLocation(k.node.Location())
	answers.SetType(ListOf(AnyType()).machine())
	return l.call("sum "+l.types[k.node].String(), sumOf(l.types[k.node]), answers)
}

func inferReduce(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	acc := item
	if len(k.args) > 2 {
		acc = c.infer(k.args[2], f)
	}
	for range 3 {
		mark, used := len(c.problems), len(c.uses)
		answer := c.questionOver(k, 1, loopItem{item: item, acc: acc}, f)
		next, ok := Unify(acc, answer)
		switch {
		case slices.ContainsFunc(c.problems[mark:], Problem.IsError):
			return broken()
		case !ok:
			return c.report(questionOf(k.args[1]), "E308",
				fmt.Sprintf("the answer is %s, but #acc begins as %s", answer.widen(), acc.widen()), "both must be of one type")
		case next.Equal(acc) || next.kind == kindBroken:
			return next
		}
		// The answer widened #acc: look again, with what it really is.
		c.problems, c.uses, acc = c.problems[:mark], c.uses[:used], next.widen()
	}
	return c.report(questionOf(k.args[1]), "E308", "the type of #acc grows with every item", "")
}

func inferGroupBy(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	c.wantType(questionOf(k.args[1]), c.question(k, 1, item, f), StringType())
	return MapOf(NonEmptyListOf(item))
}

func inferUniqueBy(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	answer := c.question(k, 1, item, f)
	if p := answer.Present(); !p.IsScalar() && p.kind != kindAny && p.kind != kindBroken && p.kind != kindNil {
		c.report(questionOf(k.args[1]), "E308", fmt.Sprintf("items are told apart by text, numbers or times, not by %s", answer.widen()), "")
	}
	return ListOf(item)
}

func inferSortBy(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	answer := c.question(k, 1, item, f)
	c.wantSortable(questionOf(k.args[1]), answer)
	if len(k.args) > 2 {
		c.wantDirection(k, 2, f)
	}
	return ListOf(item)
}

func (c *checker) wantSortable(n ast.Node, t Type) {
	t = c.present(n, t)
	if t.kind == kindBoolean || !t.IsScalar() && t.kind != kindAny && t.kind != kindBroken && t.kind != kindNever {
		c.report(n, "E308", fmt.Sprintf("%s has no order to sort by", t.widen()), "")
	}
}

func (c *checker) wantDirection(k call, i int, f flow) {
	if way, ok := c.constantText(k, i, f); ok && way != "asc" && way != "desc" {
		c.report(k.args[i], "E311", fmt.Sprintf("%q is no direction", way), `write "asc" or "desc"`)
	}
}
