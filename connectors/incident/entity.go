package incident

import (
	"errors"
	"strings"
)

// ErrNameless says that an entity has nothing that evidence would name it by.
var ErrNameless = errors.New("it has nothing that evidence would name it by")

// AsEvidence is a user as evidence would have one, with the id that follows from
// UPN, EntraID and SID. An empty text is absent. Its errors wrap ErrNameless.
func (u User) AsEvidence() (User, error) {
	u.UPN, u.EntraID, u.Name, u.SID = present(u.UPN), guid(u.EntraID), present(u.Name), present(u.SID)
	return alone("user", u, u.name())
}

// AsEvidence is a device as evidence would have one, with the id that follows
// from a Defender machine id in ID, from EntraID and from Name. An empty text is
// absent. Its errors wrap ErrNameless.
func (d Device) AsEvidence() (Device, error) {
	d.EntraID, d.Name, d.OS, d.Users = guid(d.EntraID), present(d.Name), present(d.OS), append([]string{}, d.Users...)
	return alone("device", d, d.names(machine(present(&d.ID)), d.Name))
}

// AsEvidence is a mailbox as evidence would have one, with the id that follows
// from Address and UPN. An empty text is absent. Its errors wrap ErrNameless.
func (m Mailbox) AsEvidence() (Mailbox, error) {
	m.Address, m.UPN, m.Name = present(m.Address), present(m.UPN), present(m.Name)
	return alone("mailbox", m, m.names())
}

// AsEvidence is a file in the cloud as evidence would have one: its id, name,
// path and site follow from URL, its true address and no sharing link. Its errors
// wrap ErrNameless.
func (f File) AsEvidence() (File, error) {
	if f.URL == nil || !isWeb(*f.URL) {
		return f, ErrNameless
	}
	l, ok := locateWeb(*f.URL, "")
	if !ok {
		return f, ErrNameless
	}
	f.Name, f.Path, f.URL, f.Site = optional(l.name), optional(l.path), optional(l.url), optional(l.site)
	return alone("file", f, []key{{text: l.key}})
}

// alone is one thing that no alert named.
func alone[T any](kind string, item T, keys []key) (T, error) {
	if len(keys) == 0 {
		return item, ErrNameless
	}
	return unite(kind, []sighting[T]{{item: item, keys: keys}}).items[0], nil
}

// name reads the domain out of the user principal name, and answers what names
// the user.
func (u *User) name() []key {
	var keys []key
	if u.UPN != nil {
		if at := strings.LastIndexByte(*u.UPN, '@'); at >= 0 && at+1 < len(*u.UPN) {
			u.Domain = new(Fold((*u.UPN)[at+1:]))
		}
		keys = append(keys, key{rank: byName, text: Fold(*u.UPN)})
	}
	if u.EntraID != nil {
		keys = append(keys, key{rank: byEntraID, text: "entra:" + *u.EntraID})
	}
	if u.SID != nil {
		keys = append(keys, key{rank: bySID, text: "sid:" + Fold(*u.SID)})
	}
	return keys
}

// names are what names a device with a machine id and a name, as far as known.
func (d Device) names(id, name *string) []key {
	var keys []key
	if id != nil {
		keys = append(keys, key{rank: byName, text: *id})
	}
	if d.EntraID != nil {
		keys = append(keys, key{rank: byEntraID, text: "entra:" + *d.EntraID})
	}
	if name != nil {
		keys = append(keys, key{rank: byAccount, text: "name:" + Fold(*name), weak: true})
	}
	return keys
}

// names are what names a mailbox.
func (m Mailbox) names() []key {
	var keys []key
	for _, address := range []*string{m.Address, m.UPN} {
		if address != nil {
			keys = append(keys, key{rank: byName, text: Fold(*address)})
		}
	}
	return keys
}

// present is a text that says something; nil if it does not.
func present(s *string) *string {
	if s == nil {
		return nil
	}
	return optional(strings.TrimSpace(*s))
}
