// Package redisstore keeps runs and documents in Redis, for a team of workers. It
// implements engine.Store and engine.Documents; engine/storetest judges it on a
// single server, on a cluster and behind sentinels.
//
// It must not know what a fact, a document or a head says: bodies are bytes.
//
// How it is built:
//   - Keys lie in partitions, each a hash tag {00} to {0f}. A run lies in the
//     partition of its subject, and its id says which: every act on a run is one
//     script of one slot. What has to happen in another slot is written into the
//     partition's outbox by the same act, and delivered by whoever made it, or by
//     the next claim there.
//   - Scripts check everything before they write. They take keys from their
//     partition's tag only, times as durations, and bodies as bytes.
//   - The calls of all goroutines go through one pipe per server: what has come up
//     while two writes are under way is written together.
//   - Every act may be made twice. A settle finds its request on the strand, a run
//     has its id from the request that begins it, a document of a settlement is
//     put once by name. So an answer that was not heard is asked for again.
//   - Every act raises the number of its partition: who remembers a higher one
//     than Redis tells knows that Redis went back (back.go).
//   - The log of a partition is a sorted set of what has changed, each once, by
//     the number of its newest change: following it from the beginning is reading
//     all that is kept. Plain settles are no change that anybody lists.
//   - A run that ends is packed into one compressed text: by the act that ends it
//     where its holder knows all of it, else a moment later (pack.go).
//   - Only who was in steady contact with Redis takes leases over: after a pause
//     of the server all of them seem to be over.
//
// Not done by Redis: a slot of ours must not be moved to another node while
// workers act on it, unless the server moves slots atomically. Keys are made as
// scripts go along, so a slot that is half here and half there looks damaged.
//
// # Keys
//
// All begin with the prefix (stanch), the schema (1) and the tag of the partition:
// stanch:1:{03}:. PATH is the path of a strand, OPEN of a window.
//
//	m              hash    v schema/epoch, q number, t last time, fz fb fr fa the freeze, dr next
//	                       lane, w tell of what becomes due: 1, or l and the lanes of which, or 0,
//	                       tr forgotten deletions
//	s:RUN          hash    the run and its root strand (below)
//	s:RUN:PATH     hash    a child that has not ended
//	o:RUN:OPEN     hash    a window: p parent, c count, s size, n opened, f failfast, t stopped, u mark
//	i:RUN:OPEN     hash    its items by number
//	it:REQUEST     hash    items of a window that is not open yet, for a day
//	e:RUN:OPEN     hash    its children that have ended, by number
//	y:RUN          set     oOPEN of each window, cNAME of each cap
//	w:RUN          hash    what its strands wait for, by path
//	z:RUN          string  a packed run
//	q0 … q3        list    RUN:PATH of strands that are due, by lane
//	t, l           zset    strands that wait for a time; that are leased, by its end
//	h, cw          set     strands that wait for a thaw; runs whose waits are still to be woken
//	k:KEY          list    runs with a concurrency key, the holder first
//	dd             hash    runs by the digest of their dedupe keys
//	lg             zset    what has changed, by number: rRUN, yRUN gone, dKIND 0 KEY, xKIND 0 KEY deleted
//	xt             zset    deletions, by time
//	au             stream  audit records
//	pk             zset    ended runs to be packed
//	ob             hash    the outbox
//	d:KIND 0 KEY   hash    a document: b body, v version, a time, x end
//	di:KIND, dx    zset    keys of a kind in order; documents that end, by time
//	H:NAME         hash    a named lease
//	c:, U:NAME     hash    a cap: # targets, w some run out, t… holders of a target, e… targets of an
//	                       effect; those that run out, by time
//	b:, bw:, bq:, bx:NAME   a budget and who waits for it: see draw.lua
//	rq:REQUEST     string  answers of words from outside, for an hour; what else is done once
//
// Fields of a strand: h position and number of facts, k token while leased, i
// state, a time that made it due, r last request, z its answer, f1 … facts (time,
// how many, h or s for a signal, they), x lost leases, w joined window, j: x or w
// is there, T mark that the holder knows, L length of the lease, d time and o what
// for it waits. Of a run: pb playbook, sb subject, ed edition, md mode, ln lane, hd
// head, bg begun, qd was queued, st status, c mark, dd dedupe digest, ck key, cw
// the key is wide, ac strands that can go on, la last change, en ended, O R how.
// Outside of partitions: stanch:meta says schema and number of partitions,
// stanch:1:{w}:workers counts beats of workers, and stanch:1:wake is the channel
// that tells which partition has something to do.
package redisstore
