package files

import "stanch/actions"

// LockRecord keeps the content of a record from being changed.
func (s Shelf) LockRecord() actions.Action {
	return s.lockSpec(true, "Lock a record again, so that its content cannot be changed. What is no record is refused.").Action()
}
