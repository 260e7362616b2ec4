package playbooks

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// labelFunctions compare sensitivity labels. Which protects more is nothing that
// a label tells of itself: the operator's config lists them, from the least to the
// most protected.
func labelFunctions() map[string]function {
	return map[string]function{
		"label_rank": {
			min: 1, max: 1, sign: "(string?) integer",
			doc: "The place of a sensitivity label in the operator's order, from 0, the least protected; -1 without a label. " +
				"The order is `labels` of the config; a label that is not in it is an error.",
			example: `label_rank(file.label) >= label_rank("Confidential")`, infer: inferLabelRank, lower: lowerLabelRank,
		},
	}
}

// labelOrder is the place of each label, by its name in small letters.
type labelOrder struct {
	names []string
	rank  map[string]int
}

func newLabelOrder(names []string) *labelOrder {
	o := &labelOrder{names: names, rank: map[string]int{}}
	for i, name := range names {
		o.rank[strings.ToLower(name)] = i
	}
	return o
}

// WithLabels is the scope in which labels have an order, from the least to the
// most protected; nil if it is not known here.
func (s Scope) WithLabels(names []string) Scope {
	if names != nil {
		s.labels = newLabelOrder(names)
	}
	return s
}

func inferLabelRank(c *checker, k call, f flow) Type {
	c.wantType(k.args[0], c.infer(k.args[0], f), OptionalOf(StringType()))
	order := c.scope.labels
	if order == nil {
		return IntegerType() // whoever has the operator's file will see
	}
	if len(order.names) == 0 {
		c.report(k.node, "E318", "the order of labels is not known here",
			"list them in the config, the least protected first: labels: [Public, General, Confidential]")
		return IntegerType()
	}
	if written, ok := k.args[0].(*ast.StringNode); ok {
		if _, known := order.rank[strings.ToLower(written.Value)]; !known {
			hint := "known: " + strings.Join(order.names, ", ")
			if near := Nearest(written.Value, order.names); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			c.report(written, "E316", fmt.Sprintf("%q is none of the labels of the config", shorten(written.Value)), hint)
		}
	}
	return IntegerType()
}

func lowerLabelRank(l *lowering, k call) ast.Node {
	return l.call("label_rank", evalLabelRank, l.lower(k.args[0]), &ast.ConstantNode{Value: l.scope.labels})
}

func evalLabelRank(b *budget, args []any) (any, error) {
	if args[0] == nil {
		return -1, nil
	}
	label, err := textArgument(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.read(len(label)); err != nil {
		return nil, err
	}
	order, _ := args[1].(*labelOrder)
	if order == nil {
		return nil, errors.New("the order of labels is not known here: list them in the config as labels, the least protected first")
	}
	rank, known := order.rank[strings.ToLower(label)]
	if !known {
		return nil, fmt.Errorf("the label %q has no place in the order of labels in the config", shorten(label))
	}
	return rank, nil
}
