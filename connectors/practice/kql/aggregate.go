package kql

import (
	"slices"
	"time"
)

// compute answers the aggregate's values over the rows of a group.
func (a *aggregate) compute(r *run, rows [][]any) []any {
	if cond := a.condition(); cond >= 0 {
		rows = slices.DeleteFunc(slices.Clone(rows), func(row []any) bool { return asBool(a.args[cond].eval(row)) != true })
	}
	switch a.fn {
	case "count", "countif":
		return []any{int64(len(rows))}
	case "arg_max", "arg_min", "any", "take_any", "take_anyif":
		return a.ofRow(rows)
	}
	values := make([]any, 0, len(rows))
	for _, row := range rows {
		if v := a.args[0].eval(row); v != nil {
			values = append(values, v)
		}
	}
	switch a.fn {
	case "dcount", "dcountif", "count_distinct":
		return []any{int64(len(distinctOf(r, values)))}
	case "make_set", "makeset", "make_set_if":
		return []any{a.listed(r, distinctOf(r, values))}
	case "make_list", "makelist", "make_list_if":
		return []any{a.listed(r, values)}
	case "percentile":
		return []any{a.percentile(values)}
	case "min", "minif":
		return []any{extreme(values, -1, a.columns[0].Type)}
	case "max", "maxif":
		return []any{extreme(values, 1, a.columns[0].Type)}
	}
	return []any{total(values, a.columns[0].Type, a.fn == "avg" || a.fn == "avgif")}
}

// condition is which argument must hold for a row to count; -1: none.
func (a *aggregate) condition() int {
	switch a.fn {
	case "countif":
		return 0
	case "dcountif", "sumif", "avgif", "minif", "maxif", "make_set_if", "make_list_if", "take_anyif":
		return 1
	}
	return -1
}

func (a *aggregate) ofRow(rows [][]any) []any {
	out := make([]any, len(a.columns))
	for i, c := range a.columns {
		if c.Type == String {
			out[i] = ""
		}
	}
	at := -1
	var best any
	for i, row := range rows {
		if a.fn != "arg_max" && a.fn != "arg_min" {
			at = i
			break
		}
		v := a.args[0].eval(row)
		if v == nil {
			continue
		}
		c, ordered := compared(v, best)
		if best == nil || ordered && c != 0 && (c > 0) == (a.fn == "arg_max") {
			at, best = i, v
		}
	}
	if at >= 0 {
		for i := range a.columns {
			out[i] = a.args[i].eval(rows[at])
		}
	}
	return out
}

func distinctOf(r *run, values []any) []any {
	seen := map[string]bool{}
	out := []any{}
	for _, v := range values {
		if k := r.key(v); !seen[k] {
			seen[k] = true
			out = append(out, v)
		}
	}
	return out
}

// listed bounds a list: by its last argument if that is a number, else by what
// Kusto allows.
func (a *aggregate) listed(r *run, values []any) []any {
	most := int64(1 << 20)
	if last := a.args[len(a.args)-1]; len(a.args) > 1 && last.fixed && a.condition() != len(a.args)-1 {
		if n, is := last.eval(nil).(int64); is && n >= 0 {
			most = min(n, most)
		}
	}
	out := values[:min(most, int64(len(values)))]
	if !r.light(out) {
		return nil
	}
	return out
}

func extreme(values []any, sign int, typ Type) any {
	var best any
	for _, v := range values {
		c, ordered := compared(v, best)
		if best == nil || ordered && c*sign > 0 {
			best = v
		}
	}
	if best == nil && typ == String {
		return ""
	}
	return best
}

func total(values []any, typ Type, mean bool) any {
	if mean && len(values) == 0 {
		return nil
	}
	switch typ {
	case TimeSpan:
		sum := time.Duration(0)
		for _, v := range values {
			d, _ := v.(time.Duration)
			sum += d
		}
		if mean {
			sum /= time.Duration(len(values))
		}
		return sum
	case Long:
		sum := int64(0)
		for _, v := range values {
			n, _ := asLong(v).(int64)
			sum += n
		}
		return sum
	}
	sum := 0.0
	for _, v := range values {
		f, _ := asReal(v).(float64)
		sum += f
	}
	if mean {
		sum /= float64(len(values))
	}
	return sum
}

// percentile is the nearest rank.
func (a *aggregate) percentile(values []any) any {
	p, is := asReal(a.args[1].eval(nil)).(float64)
	if !is || p < 0 || p > 100 || len(values) == 0 {
		return nil
	}
	slices.SortFunc(values, func(x, y any) int { c, _ := compared(x, y); return c })
	at := int(float64(len(values)) * p / 100)
	return values[min(at, len(values)-1)]
}
