/* ownership.pml - one store, two nodes, nobody to fence: who may acknowledge?
 *
 * What mta/queue does at a change of owner, in as few steps as show every order in which disk,
 * clocks and nodes can let it happen. The rules are those of docs/formats/journal.md sections 5, 6
 * and 8; README.md beside this file says what is left out and why that is sound.
 *
 *   freeze    needs no code: nobody here has to go on, ever, while clocks tick and others work
 *   crash     `fate` ends a process between any two steps; a check that fails just blocks until then
 *   delay     a write is issued, and lands when it likes: after its process died, or never
 *   drift     leases run on a slow clock, waits on a fast one
 *
 * Properties, asserted wherever they could begin to be false:
 *   lost      an acknowledged message is outside of what the next owner reads
 *   two       two owners may acknowledge at the same time, or one does after a younger one did
 *   revived   a message that an owner did not find is found by a later one
 *
 * BREAK_x takes one rule away; check.sh proves that the model notices. */

#ifndef PROPERTIES
#define PROPERTIES !lost && !two && !revived
#endif
#ifndef EPOCHS
#define EPOCHS 3 /* owners, one after the other */
#endif
#define NODES  2
#define NOBODY 0 /* no epoch */

/* ---- time. A lease is LEASE ticks on a clock that may be DRIFT tenths slow, the wait is 5/4 of it
 * on one that may be DRIFT tenths fast. */

#ifndef LEASE
#define LEASE 1
#endif
#define DRIFT 1
#if defined(BREAK_NO_WAIT)
#define WAIT_QUARTERS 0
#elif defined(BREAK_WAIT_ONE_LEASE)
#define WAIT_QUARTERS 4
#else
#define WAIT_QUARTERS 5
#endif
#define OLD  (LEASE + 1) /* ages stop here: no lease is valid, every wait is over */
#define NONE (LEASE + 2) /* no such lease, renewal, watch */
#define LEASE_VALID(n) (lease_age[n] < NONE && lease_age[n] * (10 - DRIFT) < LEASE * 10)
#define WAIT_OVER(n) \
    (watch_age[n] < NONE && watch_age[n] * (10 + DRIFT) * 4 >= LEASE * 10 * WAIT_QUARTERS)

byte lease_age[NODES] = NONE;   /* since the t0 of the lease that counts */
byte renewal_age[NODES] = NONE; /* since the t0 of the renewal in hand */
byte watch_age[NODES] = NONE;   /* since the end of the first look at a counter that stands still */

/* ---- the disk */

mtype = { absent, owning, released, nothing, issued, durable };

typedef epoch_files {
    mtype owner = absent;      /* owner.<epoch> */
    mtype owner_new = nothing; /* the state that the write on its way will leave */
    mtype seal = nothing;      /* the first record in journal/ */
    byte view;                 /* what it lists: bit e, the message of epoch e */
    mtype message = nothing    /* a COMMIT, with all that precedes it */
};
epoch_files store[EPOCHS + 1];
byte highest = NOBODY;   /* epoch that has an owner file */
byte sealed = NOBODY;    /* highest epoch whose seal is durable */
byte late_link = NOBODY; /* a claim that is on its way, though who made it is dead */

#ifdef BREAK_ONE_OWNER_FILE
#define FREE(e)  true
#define SHOWN(e) (e) /* the record that was written last */
#else
#define FREE(e)  (store[e].owner == absent)
#define SHOWN(e) ((e) > highest -> (e) : highest)
#endif
#ifdef BREAK_OVERTAKEN
#define OVERTAKEN(e) false
#else
#define OVERTAKEN(e) (highest > (e))
#endif

/* ---- the servers, one on each node, in their present lives */

byte claims[NODES];   /* the epoch that it claims, then owns */
bool renewing[NODES]; /* its second thread runs */
bool serving[NODES];  /* sealed, and the journal runs */

#define OVER(e)    (claims[0] != (e) && claims[1] != (e)) /* the process of that epoch is no more */
#define MAY_ACK(n) (serving[n] && LEASE_VALID(n))

/* ---- what the properties speak about */

#define BIT(e) (1 << (e))

byte acknowledged; /* bit e: the message of epoch e */
byte served;       /* bit e: epoch e went into service */
bool lost, two, revived;

/* ---- looks and requests */

/* recover.c: what the last seal lists, and what its own epoch wrote. */
#define WRITTEN(e) (store[e].message == durable -> BIT(e) : 0)
#ifdef BREAK_SEAL_IGNORED
#define FOUND (store[sealed].view | WRITTEN(sealed) | WRITTEN(1) | (sealed > 2 -> WRITTEN(2) : 0))
#else
#define FOUND (store[sealed].view | WRITTEN(sealed))
#endif

/* owner_file_create(), when the name is free. Who watched the last owner will find this one. */
inline claim_lands(e)
{
    store[e].owner = owning;
    highest = SHOWN(e);
    watch_age[0] = NONE;
    watch_age[1] = NONE
}

/* owner_file_write(): the counter moves, and who watched it is refused at its next look. */
inline owner_write_lands(e)
{
    store[e].owner = store[e].owner_new;
    store[e].owner_new = nothing;
    highest = SHOWN(e);
#ifndef BREAK_LOOK_BEGUN_EARLY
    watch_age[0] = (highest == e -> NONE : watch_age[0]);
    watch_age[1] = (highest == e -> NONE : watch_age[1])
#endif
}

/* owner_file_prune(): what is on its way lands in a file without a name. */
inline prune(below)
{
    for (e : 1 .. below - 1) {
        store[e].owner = absent;
        store[e].owner_new = nothing
    }
    e = 0
}

/* From here on, what is outside of this owner's view is gone for ever. */
inline begin_service(n)
{
    serving[n] = true;
    served = served | BIT(claims[n]);
    lost = (acknowledged & ~store[claims[n]].view) != 0;
    two = MAY_ACK(1 - n);
    for (e : 1 .. claims[n] - 1) {
        revived = revived || ((served & BIT(e)) != 0 &&
            ((store[claims[n]].view ^ store[e].view) & (BIT(e) - 1)) != 0)
    }
    e = 0;
    assert(PROPERTIES)
}

/* The decision; the 250 itself may leave at any later time. */
inline acknowledge(n)
{
    two = acknowledged >= 2 * BIT(claims[n]) || MAY_ACK(1 - n);
    acknowledged = acknowledged | BIT(claims[n]);
    lost = (acknowledged & ~FOUND) != 0;
    assert(PROPERTIES)
}

inline life_ends(n)
{
    claims[n] = NOBODY;
    serving[n] = false;
    renewing[n] = false;
    lease_age[n] = NONE;
    renewal_age[n] = NONE
}

/* ---- a server: queue_open.c, ownership.c, journal.c */

/* Released; or dead, and those who say so are right: a lock, a DEAD mark, the cluster. */
#define VOUCHED (highest == NOBODY || store[highest].owner == released || OVER(highest))

#ifdef BREAK_SERVE_UNSEALED
#define SEAL_DONE(e) true
#else
#define SEAL_DONE(e) (store[e].seal == durable)
#endif
#ifdef BREAK_LEASE_BEFORE_SYNC
#define VALID_BEFORE_SYNC(n) LEASE_VALID(n)
#define VALID_AFTER_SYNC(n)  true
#else
#define VALID_BEFORE_SYNC(n) true
#define VALID_AFTER_SYNC(n)  LEASE_VALID(n)
#endif

proctype server(bit me)
{
    byte e;
#ifdef BREAK_READ_BEFORE_CLAIM
    byte view;
#endif

    do
    :: d_step { /* watch(): the first look */
        highest != NOBODY && store[highest].owner == owning && watch_age[me] == NONE;
#ifdef BREAK_READ_BEFORE_CLAIM
        view = FOUND;
#endif
        watch_age[me] = 0
       }
    :: d_step { /* decide(), claim(): t0 of the first lease, link(2) goes out */
        highest < EPOCHS && (VOUCHED || WAIT_OVER(me));
#ifdef BREAK_READ_BEFORE_CLAIM
        view = (WAIT_OVER(me) -> view : FOUND);
#endif
        claims[me] = highest + 1; /* what the look saw, not what is there when the link goes out */
        lease_age[me] = 0;
        watch_age[me] = NONE
       };
       {
#ifdef BREAK_EPOCH_LATE
        d_step { highest < EPOCHS -> claims[me] = highest + 1 };
#endif
        d_step { /* EEXIST for who comes late; overtaken() for who comes even later */
            FREE(claims[me]) && !OVERTAKEN(claims[me]);
            claim_lands(claims[me]);
            renewing[me] = true
        };
        d_step { /* recover_and_seal(): read, and write down what was read */
#ifdef BREAK_READ_BEFORE_CLAIM
            store[claims[me]].view = view;
            view = 0;
#else
            store[claims[me]].view = FOUND;
#endif
            store[claims[me]].seal = issued
        };
        d_step {
            SEAL_DONE(claims[me]) && LEASE_VALID(me);
            begin_service(me);
            prune(claims[me] - 1)
        };
        if
        :: /* write_batch(): the lease is looked at after the sync */
            d_step { VALID_BEFORE_SYNC(me) -> store[claims[me]].message = issued };
            d_step {
                store[claims[me]].message == durable && VALID_AFTER_SYNC(me);
                acknowledge(me)
            }
        :: true
        fi;
        d_step { /* queue_release(): journal and renewals stop, then a last look at the clock */
            renewal_age[me] == NONE && LEASE_VALID(me);
            serving[me] = false;
            renewing[me] = false;
            store[claims[me]].owner_new = released
        };
        false
       } unless {
        claims[me] == NOBODY
       }
    od
}

/* renewal_step(): t0; the counter, durably; no higher epoch; all before the old lease ended. */
#ifdef BREAK_LAPSED_RENEWED
#define NOT_LAPSED(n) true
#else
#define NOT_LAPSED(n) LEASE_VALID(n)
#endif

inline lease_renewed(n)
{
    lease_age[n] = renewal_age[n];
    two = MAY_ACK(0) && MAY_ACK(1);
    assert(PROPERTIES)
}

proctype renewer(bit me)
{
    do
    :: d_step {
        renewing[me] && renewal_age[me] == NONE;
        renewal_age[me] = 0;
#ifdef BREAK_COUNTER_AFTER_CHECK
        if
        :: highest <= claims[me] && NOT_LAPSED(me) -> lease_renewed(me)
        :: else
        fi;
#endif
        store[claims[me]].owner_new = owning
       }
    :: d_step {
        renewal_age[me] != NONE && highest <= claims[me] && NOT_LAPSED(me);
        owner_write_lands(claims[me]);
#ifndef BREAK_COUNTER_AFTER_CHECK
        lease_renewed(me);
#endif
        renewal_age[me] = NONE
       }
    od
}

/* ---- the world */

proctype disk(byte e)
{
    do
    :: d_step {
        store[e].seal == issued;
        store[e].seal = durable;
        sealed = (e > sealed -> e : sealed)
       }
    :: d_step { store[e].message == issued -> store[e].message = durable }
    :: d_step { store[e].owner_new == released || store[e].owner_new == owning && OVER(e) ->
        owner_write_lands(e) }
    :: d_step { late_link == e && FREE(e) -> late_link = NOBODY; claim_lands(e) }
    od
}

#define TICK(age)                                \
    age[0] = (age[0] < OLD -> age[0] + 1 : age[0]); \
    age[1] = (age[1] < OLD -> age[1] + 1 : age[1])

proctype clock()
{
    do
    :: d_step {
        TICK(lease_age);
        TICK(renewal_age);
        TICK(watch_age)
       }
    od
}

proctype fate(bit n)
{
    do
    :: d_step { claims[n] != NOBODY -> life_ends(n) }
    :: d_step {
        claims[n] != NOBODY && !renewing[n] && late_link == NOBODY && FREE(claims[n]);
        late_link = claims[n];
        life_ends(n)
       }
    od
}

init
{
    byte i;

    atomic {
        for (i : 1 .. EPOCHS) {
            run disk(i)
        }
        for (i : 0 .. NODES - 1) {
            run server(i);
            run renewer(i);
            run fate(i)
        }
        run clock();
        i = 0
    }
}
