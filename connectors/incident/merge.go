package incident

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// key is one name of a thing. Two sightings that share a strong key are of one
// thing. A sighting that has weak keys only joins the one thing which is
// called so, if there is exactly one.
type key struct {
	rank int // the least rank of a thing's keys names its id
	text string
	weak bool
}

// seen is what one alert said about one thing, apart from its properties.
type seen struct {
	alert   string
	at      time.Time
	verdict *Verdict
	roles   []Role
}

// sighting is one thing as one alert named it. T is one of the types of
// evidence; its ID, Alerts, Verdict and Roles are still unset.
type sighting[T any] struct {
	seen
	item  T
	spare T // fields for which the thing has no better value from any sighting
	keys  []key
}

// united are the things behind a list of sightings.
type united[T any] struct {
	items     []T
	ids       map[key]string // by strong key
	of        []string       // ids by sighting
	conflicts []Conflict
}

// unite makes one item of all sightings of one thing. Its result does not
// depend on their order: of two values the one seen last stands, and of two
// seen at once the one that sorts first.
func unite[T any](kind string, list []sighting[T]) united[T] {
	u := united[T]{items: []T{}, ids: map[key]string{}, of: make([]string, len(list))}
	for _, group := range groups(list) {
		id := groupID(list, group)
		for _, i := range group {
			u.of[i] = id
			for _, k := range list[i].keys {
				if !k.weak {
					u.ids[k] = id
				}
			}
		}
		item, conflicts := combine(kind, id, list, group)
		u.items = append(u.items, item)
		u.conflicts = append(u.conflicts, conflicts...)
	}
	slices.SortFunc(u.items, func(a, b T) int { return strings.Compare(itemID(a), itemID(b)) })
	return u
}

// forest holds disjoint sets of sightings.
type forest []int

func newForest(n int) forest {
	f := make(forest, n)
	for i := range f {
		f[i] = i
	}
	return f
}

func (f forest) root(i int) int {
	for f[i] != i {
		f[i] = f[f[i]]
		i = f[i]
	}
	return i
}

func (f forest) join(i, j int) { f[f.root(i)] = f.root(j) }

// sets lists the sets by their first member.
func (f forest) sets() [][]int {
	at, sets := map[int]int{}, [][]int{}
	for i := range f {
		r := f.root(i)
		if _, ok := at[r]; !ok {
			at[r] = len(sets)
			sets = append(sets, nil)
		}
		sets[at[r]] = append(sets[at[r]], i)
	}
	return sets
}

// groups splits the sightings into those of one thing each, as indexes.
func groups[T any](list []sighting[T]) [][]int {
	f, first := newForest(len(list)), map[key]int{}
	link := func(i int, k key) {
		if j, ok := first[k]; ok {
			f.join(i, j)
		} else {
			first[k] = i
		}
	}
	for i, s := range list {
		for _, k := range s.keys {
			if !k.weak {
				link(i, k)
			}
		}
	}
	called := map[key]map[int]bool{} // things with a strong key, by weak key
	for i, s := range list {
		for _, k := range s.keys {
			if k.weak && s.strong() {
				if called[k] == nil {
					called[k] = map[int]bool{}
				}
				called[k][f.root(i)] = true
			}
		}
	}
	for i, s := range list {
		if s.strong() {
			continue
		}
		for _, k := range s.keys {
			if things := called[k]; len(things) == 1 {
				for thing := range things {
					f.join(i, thing)
				}
			} else {
				link(i, k)
			}
		}
	}
	return f.sets()
}

func (s sighting[T]) strong() bool {
	return slices.ContainsFunc(s.keys, func(k key) bool { return !k.weak })
}

// groupID is the least key of a thing.
func groupID[T any](list []sighting[T], group []int) string {
	var best key
	found := false
	for _, i := range group {
		for _, k := range list[i].keys {
			if !found || cmp.Or(cmp.Compare(k.rank, best.rank), strings.Compare(k.text, best.text)) < 0 {
				best, found = k, true
			}
		}
	}
	return best.text
}

// combine folds the sightings of one thing into one item.
func combine[T any](kind, id string, list []sighting[T], group []int) (T, []Conflict) {
	if len(group) > 1 {
		text := make(map[int]string, len(group))
		for _, i := range group {
			text[i] = string(encode(list[i].item)) + string(encode(list[i].spare))
		}
		slices.SortStableFunc(group, func(a, b int) int {
			return cmp.Or(list[b].at.Compare(list[a].at), strings.Compare(text[a], text[b]))
		})
	}
	item := list[group[0]].item
	into := reflect.ValueOf(&item).Elem()
	var (
		conflicts []Conflict
		verdict   *Verdict
		alerts    = []string{}
		roles     = []Role{}
	)
	// Which sighting gave a field: one seen at the same time may contradict it.
	by := make([]int, into.NumField())
	for n, i := range group {
		s := list[i]
		if n > 0 {
			conflicts = append(conflicts, fill(into, reflect.ValueOf(s.item), by, func(field int) bool {
				return list[group[by[field]]].at.Equal(s.at)
			}, n)...)
		}
		if s.alert != "" { // a source may not say which
			alerts = append(alerts, s.alert)
		}
		roles = append(roles, s.roles...)
		if s.verdict != nil && (verdict == nil || worse(*s.verdict, *verdict)) {
			verdict = s.verdict
		}
	}
	for _, i := range group {
		fill(into, reflect.ValueOf(list[i].spare), by, func(int) bool { return false }, 0)
	}
	into.FieldByName("ID").SetString(id)
	into.FieldByName("Alerts").Set(reflect.ValueOf(unique(alerts)))
	into.FieldByName("Roles").Set(reflect.ValueOf(unique(roles)))
	into.FieldByName("Verdict").Set(reflect.ValueOf(verdict))
	for i := range conflicts {
		conflicts[i].Kind, conflicts[i].ID = kind, id
	}
	return item, conflicts
}

// fill completes the optional fields and the lists of into by those of from,
// and returns where from contradicts a field that is set.
func fill(into, from reflect.Value, by []int, sameTime func(field int) bool, n int) []Conflict {
	var conflicts []Conflict
	for f := range into.NumField() {
		have, other := into.Field(f), from.Field(f)
		switch {
		case have.Kind() == reflect.Slice && have.Type().Elem().Kind() == reflect.String:
			both := reflect.AppendSlice(have.Slice3(0, have.Len(), have.Len()), other)
			if list, ok := both.Interface().([]string); ok {
				have.Set(reflect.ValueOf(unique(list)))
			}
		case have.Kind() != reflect.Pointer || other.IsNil():
		case have.IsNil():
			have.Set(other)
			by[f] = n
		case !alike(have.Elem().Interface(), other.Elem().Interface()):
			name, _, _ := strings.Cut(into.Type().Field(f).Tag.Get("json"), ",")
			if sameTime(f) || identifies(name) {
				conflicts = append(conflicts, Conflict{
					Field: name, Kept: show(have.Elem()), Dropped: show(other.Elem()),
				})
			}
		}
	}
	return conflicts
}

// identifies says whether a field names the thing itself, so that a change of
// it over time is worth telling.
func identifies(field string) bool {
	switch field {
	case "upn", "entra_id", "sid", "address", "internet_message_id", "network_message_id":
		return true
	}
	return false
}

func alike(a, b any) bool {
	s, isText := a.(string)
	t, _ := b.(string)
	return a == b || isText && Fold(unescape(s)) == Fold(unescape(t))
}

func show(v reflect.Value) string { return shorten(fmt.Sprint(v.Interface())) }

func worse(a, b Verdict) bool {
	return cmp.Or(cmp.Compare(a.weight(), b.weight()), strings.Compare(string(a), string(b))) > 0
}

func unique[S ~string](list []S) []S {
	slices.Sort(list)
	return slices.Compact(list)
}

func itemID(item any) string { return reflect.ValueOf(item).FieldByName("ID").String() }

// fillLists makes the nil lists of the struct that v points to empty.
func fillLists(v any) { fillValue(reflect.ValueOf(v).Elem()) }

func fillValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				fillValue(v.Index(i))
			}
		}
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			fillValue(v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			fillValue(v.Field(i))
		}
	}
}
