/*
 * How an app goes from one peer to another and never runs at two: what the origin writes down before it speaks, what it takes for the end
 * of the app at a peer, and leases, by which a peer ends it without being asked. docs/placement.md tells the rules, README.md
 * what the model has found.
 *
 * One origin, two hosts, an app that is to run at one of them. Messages come in order, and as late as they like; a link may break at any
 * moment, which loses what is on it, and either end may be a new process at any moment, which knows only what is stored. Time is
 * counted: a lease lasts for LEASE. With NOLEASE there are none (`move: Gone`).
 *
 * Each BUG_… is a mistake that is easily made. The model must find it.
 */
#ifndef LEASE
#define LEASE 1
#endif
#ifndef END
#define END 4
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef CUTS
#define CUTS 1
#endif

/* By how much the origin waits longer: for clocks that differ, and for pods that end. */
#ifdef BUG_NO_SLACK
#define SLACK 0
#else
#define SLACK 1
#endif

/*
 *   WISH, TOMBSTONE          from the origin
 *   GRANT(asked)             from the origin: it may go on, for its lease from when it asked
 *   GONE                     from a host: nothing of the app is there any more
 *   ASK(asked)               from a host: may it go on? With its own time
 */
mtype = { WISH, TOMBSTONE, GRANT, GONE, ASK };
chan down[2] = [2] of { mtype, byte };
chan up[2] = [2] of { mtype, byte };

#define NOBODY 2

byte now;
byte restarts = RESTARTS;
byte cuts = CUTS;

/* What is stored: at the origin who may have the app, at a host whether it has it, and until when; and what runs there. */
byte held = NOBODY;
bool has[2];
bool runs[2];
byte until[2];

/* What the origin's process knows, besides. */
byte known = NOBODY;  /* who may have it, as it was read last */
bool writing;         /* who may have it is being written: it may be so already */
bool leaving;         /* the holder is to end it */
mtype said[2];        /* the last word in this conversation; 0 for none */
bool gone[2];         /* the holder has said that it has ended it */
byte told[2];         /* when it was told last that it may go on */

/* What a host's process knows, besides. */
bool asking[2];

inline begin(h) {
  runs[h] = true;
  assert(!(runs[0] && runs[1]))
}

inline lose(h) {
  do
  :: nempty(down[h]) -> down[h] ? _, _
  :: nempty(up[h]) -> up[h] ? _, _
  :: empty(down[h]) && empty(up[h]) -> break
  od;
  said[h] = 0;
  asking[h] = false
}

/* The origin starts to write that another holds it, and does not know whether it is written until it reads it again. */
inline move(h) {
  writing = true;
  if
  :: held = h
  :: skip  /* It was not written. */
  fi
}

proctype Origin() {
  byte h, at;
  do
  :: atomic { !writing && known == NOBODY -> if :: h = 0 :: h = 1 fi;
#ifdef BUG_SEND_FIRST
       if
       :: nfull(down[h]) -> down[h] ! WISH, 0; said[h] = WISH
       :: else
       fi;
#endif
       writing = true; if :: held = h :: skip fi; h = 0; at = 0 }
  :: atomic { writing -> writing = false; known = held; leaving = false; gone[0] = false; gone[1] = false;
#ifndef NOLEASE
       if :: known != NOBODY -> told[known] = now :: else fi
#else
       skip
#endif
     }

#ifdef BUG_STALE_READ
  /* It goes on with what it knew before it wrote, and hears of what was written some time later. */
  :: atomic { writing -> writing = false; leaving = false }
  :: atomic { !writing && known != held -> known = held; leaving = false; gone[0] = false; gone[1] = false }
#endif

  /* Something speaks against the holder, or does not any more. */
  :: atomic { !writing && known != NOBODY -> leaving = !leaving }

  /* What is to be ended is wished again only after its end was heard. */
#ifdef BUG_STALE_GONE
  :: atomic { !writing && known != NOBODY && !leaving && said[known] != WISH && nfull(down[known]) ->
#else
  :: atomic { !writing && known != NOBODY && !leaving && said[known] == 0 && nfull(down[known]) ->
#endif
       down[known] ! WISH, 0; said[known] = WISH;
#ifndef BUG_GONE_STAYS
       gone[known] = false
#endif
     }
  :: atomic { !writing && known != NOBODY && leaving && said[known] != TOMBSTONE && nfull(down[known]) ->
       down[known] ! TOMBSTONE, 0; said[known] = TOMBSTONE }

  /* A place is free again when the holder has said that it has ended the app, */
  :: atomic { !writing && known != NOBODY && leaving && gone[known] -> h = 1 - known; move(h); h = 0 }
#ifndef NOLEASE
  /* or has ended it by itself. */
  :: atomic { !writing && known != NOBODY && leaving && now >= told[known] + LEASE + SLACK -> h = 1 - known; move(h); h = 0 }
#endif

  :: atomic { up[0] ? GONE, _ -> h = 0; goto heard }
  :: atomic { up[1] ? GONE, _ -> h = 1;
heard:
       if
       :: said[h] == TOMBSTONE -> gone[h] = true; said[h] = 0
       :: else
       fi;
       h = 0 }

  :: atomic { up[0] ? ASK, at -> h = 0; goto asked }
  :: atomic { up[1] ? ASK, at -> h = 1;
asked:
       if
       :: known == h && !writing && !leaving && nfull(down[h]) -> down[h] ! GRANT, at; told[h] = now
       :: else -> asking[h] = false  /* It asks again. */
       fi;
       h = 0; at = 0 }

  /* A new process takes the links with it. */
  :: atomic { restarts > 0 -> restarts--; lose(0); lose(1); known = held; writing = false; leaving = false;
       gone[0] = false; gone[1] = false;
#ifdef BUG_FORGET_GRANTS
       told[0] = 0; told[1] = 0
#else
       told[0] = now; told[1] = now
#endif
     }
  od
}

proctype Host(byte h) {
  byte at;
  do
  :: atomic { down[h] ? WISH, _ -> has[h] = true;
#ifdef NOLEASE
       begin(h)
#else
#ifdef BUG_START_ON_WISH
       until[h] = now + LEASE; begin(h)
#else
       skip
#endif
#endif
     }
  :: atomic { nfull(up[h]) && down[h] ? [TOMBSTONE, _] -> down[h] ? TOMBSTONE, _; has[h] = false; runs[h] = false; up[h] ! GONE, 0 }
#ifndef NOLEASE
  :: atomic { has[h] && !asking[h] && nfull(up[h]) -> up[h] ! ASK, now; asking[h] = true }
  :: atomic { down[h] ? GRANT, at -> asking[h] = false;
#ifdef BUG_FROM_ANSWER
       at = now;
#endif
       if
       :: has[h] && at + LEASE > now -> until[h] = at + LEASE; begin(h)
       :: else
       fi;
       at = 0 }
  :: atomic { runs[h] && now >= until[h] -> runs[h] = false }
#endif
  :: atomic { restarts > 0 -> restarts--; lose(h);
#ifdef BUG_RESTART_WHOLE
       if
       :: has[h] -> until[h] = now + LEASE; begin(h)
       :: else
       fi
#else
       skip
#endif
     }
  od
}

/* Time goes on once every lease that is over has been noticed: for what a host needs to end the app there is SLACK. */
proctype World() {
  do
  :: atomic { now < END && !(runs[0] && now >= until[0]) && !(runs[1] && now >= until[1]) -> now++ }
  :: atomic { cuts > 0 -> cuts--; lose(0) }
  :: atomic { cuts > 0 -> cuts--; lose(1) }
  od
}

init {
  atomic {
#ifdef NOLEASE
    until[0] = 255; until[1] = 255;
#endif
    run Origin(); run Host(0); run Host(1); run World()
  }
}
