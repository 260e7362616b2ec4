package playbooks

import (
	"fmt"

	"github.com/expr-lang/expr/ast"
)

// listFunctions work on lists and maps as a whole.
func listFunctions() map[string]function {
	same := func(c *checker, k call, f flow) Type { return ListOf(c.list(k, 0, f)) }
	return map[string]function{
		"len": {
			min: 1, max: 1, sign: "([T] | {string: T} | string) integer", doc: "How many items, entries or characters there are.",
			example: "len(evidence.files)", infer: inferLen, lower: lowerLen, eval: evalLen,
		},
		"first": {
			min: 1, max: 1, sign: "([T]) T?", doc: "The first item, or nil.",
			example: "first(evidence.users)?.upn", infer: inferEnd, eval: evalFirst,
		},
		"last": {
			min: 1, max: 1, sign: "([T]) T?", doc: "The last item, or nil.",
			example: "last(incident.comments)?.text", infer: inferEnd, eval: evalLast,
		},
		"take": {
			min: 2, max: 2, sign: "([T], integer) [T]", doc: "The first so many items.",
			example: "take(numbers, 2)", infer: inferTake, eval: evalTake,
		},
		"concat": {
			min: 1, max: manyArguments, sign: "([T]…) [T]", doc: "All items of the lists, one list after the other.",
			example: `concat(incident.tags, ["contained"])`, infer: inferConcat, eval: evalConcat,
		},
		"flatten": {
			min: 1, max: 1, sign: "([[T]]) [T]", doc: "All items of the lists in a list.",
			example: "flatten(map(evidence.files, .alerts))", infer: inferFlatten, eval: evalFlatten,
		},
		"reverse": {
			min: 1, max: 1, sign: "([T]) [T]", doc: "The items from last to first.",
			example: "reverse(incident.comments)", infer: same, eval: evalReverse,
		},
		"sort": {
			min: 1, max: 2, sign: `([T], "asc" or "desc"?) [T]`, doc: "The numbers, texts, times or durations in order.",
			example: `sort(map(evidence.files, .id), "desc")`, infer: inferSort, eval: evalSort,
		},
		"uniq": {
			min: 1, max: 1, sign: "([T]) [T]", doc: "The texts, numbers or times, each once.",
			example: "uniq(map(evidence.users, .upn))", infer: inferUniq, eval: evalUniq,
		},
		"keys": {
			min: 1, max: 1, sign: "({string: T}) [string]", doc: "The keys of a map, in order.",
			example: `keys(groupBy(evidence.files, .site ?? ""))`, infer: inferKeys, eval: evalKeys,
		},
		"values": {
			min: 1, max: 1, sign: "({string: T}) [T]", doc: "The values of a map, in the order of the keys.",
			example: "values(groupBy(permissions, .scope))", infer: inferKeys, eval: evalValues,
		},
	}
}

func inferLen(c *checker, k call, f flow) Type {
	t := c.present(k.args[0], c.infer(k.args[0], f))
	switch {
	case t.kind == kindList, t.kind == kindMap, t.kind == kindAny, t.kind == kindBroken, t.textual():
	default:
		c.report(k.args[0], "E308", fmt.Sprintf("len counts items or characters; %s has none", t.widen()), "")
	}
	return IntegerType()
}

// lowerLen asks lists and maps directly; characters are counted, and paid for.
func lowerLen(l *lowering, k call) ast.Node {
	arg := l.lower(k.args[0])
	if t := l.types[k.args[0]]; t.kind == kindList || t.kind == kindMap {
		return direct(lengthOfItems, arg)
	}
	return l.call("len", evalLen, arg)
}

func lengthOfItems(v any) int {
	switch x := v.(type) {
	case []any:
		return len(x)
	case map[string]any:
		return len(x)
	}
	panic(fmt.Errorf("%s has no length", describe(v)))
}

func inferEnd(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	if list := c.types[k.args[0]]; list.kind == kindList && list.def.atLeast > 0 {
		return item
	}
	return OptionalOf(item)
}

func inferTake(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	c.wantType(k.args[1], c.infer(k.args[1], f), IntegerType())
	return ListOf(item)
}

func inferConcat(c *checker, k call, f flow) Type {
	item := Type{kind: kindNever}
	for i, arg := range k.args {
		t, ok := Unify(item, c.list(k, i, f))
		if !ok {
			c.report(arg, "E308", fmt.Sprintf("%s does not go with [%s] before it", c.types[arg].widen(), item.widen()), "")
			t = broken()
		}
		item = t
	}
	return ListOf(item)
}

func inferFlatten(c *checker, k call, f flow) Type {
	switch t := c.present(k.args[0], c.list(k, 0, f)); t.kind {
	case kindList:
		return ListOf(t.def.elem)
	case kindAny, kindBroken, kindNever:
		return ListOf(t)
	default:
		c.report(k.args[0], "E308", fmt.Sprintf("flatten needs a list of lists, not of %s", t.widen()), "")
		return broken()
	}
}

func inferSort(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	c.wantSortable(k.args[0], item)
	if len(k.args) > 1 {
		c.wantDirection(k, 1, f)
	}
	return ListOf(item)
}

func inferUniq(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	switch p := item.Present(); p.kind {
	case kindAny, kindBroken, kindNever, kindNil:
	default:
		if !p.IsScalar() {
			c.report(k.args[0], "E308", fmt.Sprintf("uniq works on texts, numbers and times, not on %s", p.widen()),
				fmt.Sprintf("unique_by(%s, .field) tells records apart", c.textOf(k.args[0])))
		}
	}
	return ListOf(item)
}

func inferKeys(c *checker, k call, f flow) Type {
	t := c.present(k.args[0], c.infer(k.args[0], f))
	elem := AnyType()
	switch t.kind {
	case kindMap:
		elem = t.def.elem
	case kindAny, kindBroken:
	default:
		c.report(k.args[0], "E308", fmt.Sprintf("%s needs a map, not %s", k.name, t.widen()), "")
		return broken()
	}
	if k.name == "keys" {
		return ListOf(StringType())
	}
	return ListOf(elem)
}
