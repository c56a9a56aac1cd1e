/*
 * How a session outlives its carriers: who decides what a carrier is for, what is replayed, and which of two carriers
 * counts, as frame.proto specifies it, reduced to what can go wrong. README.md tells the rules, and what the model has found.
 *
 * Two ends send COUNT counted frames each. CARRIERS carriers come up, one after the other or at once, and each but the last
 * may be cut at any moment; what is in flight then is still read or lost, in each direction by itself. With RESTART one end's
 * process may be replaced once; with EXPIRE each may give up a session that has no carrier.
 *
 * Each BUG_… is a mistake that is easily made, among them those that were. The model must find it.
 */
#ifndef COUNT
#define COUNT 1
#endif
#ifndef CARRIERS
#define CARRIERS 3
#endif

/* The end with the smaller fingerprint decides what a carrier is for, and says so. */
#define LOW 0
#define HIGH 1

/*
 *   HELLO(instance)                        who speaks: a process
 *   RESUME(session, received, begins)      from low: what the carrier is for; from high: so be it
 *   UNKNOWN                                from high: it does not hold that session
 *   DATA(session, number)                  any frame that counts. On the wire it bears neither: they are here to be checked
 *   ACK(received)
 */
mtype = { HELLO, RESUME, UNKNOWN, DATA, ACK };

/* One direction of each carrier. What one end may ever say on it fits, so that no writer waits. */
chan pipe[CARRIERS * 2] = [COUNT * 2 + 3] of { mtype, byte, byte, bit };
#define out(e, c) pipe[(c) * 2 + (e)]
#define in(e, c) pipe[(c) * 2 + 1 - (e)]

typedef End {
  byte session;  /* 0 for none */
  byte peer;     /* the other end's process, as far as low knows it in this session */
  byte carrier;  /* the number of the session's carrier; 0 while it has none */
  byte highest;  /* of all numbers of carriers that this process took */
  byte sent;     /* counted frames of the session; kept, as long as they are not acknowledged */
  byte acked;
  byte written;  /* how many of them the present carrier was given, or needs not be given */
  byte received;
  byte told;     /* what the last ACK on the present carrier said */
  bool resumed;  /* the other's RESUME has come on the present carrier */
  bool young;    /* nothing was heard of the other end in this session yet */
  byte over;     /* the session that was over last here; 0 for none */
}
End end[2];

/* What the world knows, and the two ends do not. */
byte process[2] = 1;
byte up;                /* carriers that came up so far; the carrier c has the number c + 1 */
bool cut[CARRIERS];
byte left;              /* a bit for each end and carrier: the end will not look at that carrier again */
byte resets;            /* sessions that ended at an end, their streams reset */
short begun;            /* a bit for each session that ever began at high, where what comes in it is served */
#define leftBit(e, c) (1 << ((c) * 2 + (e)))

#define number(c) ((c) + 1)
#define isCurrent(e, c) (end[e].carrier == number(c))

/* ---- what ends do ---- */

/* From now on nothing counts that comes on the session's carrier. The other end sees it end. */
inline detach(e) {
  if
  :: end[e].carrier != 0 ->
     left = left | leftBit(e, end[e].carrier - 1);
     cut[end[e].carrier - 1] = true;
     end[e].carrier = 0
  :: else
  fi
}

/* A session begins, and what was before it is over. */
inline begin(e, id) {
  if
  :: end[e].session != 0 -> resets++; end[e].over = end[e].session
  :: else
  fi;
#ifdef BUG_OLD_CARRIER_STAYS
  end[e].carrier = 0;
#else
  detach(e);
#endif
  end[e].session = id;
  end[e].sent = 0; end[e].acked = 0; end[e].written = 0; end[e].received = 0; end[e].told = 0;
  end[e].resumed = false;
  end[e].young = true
}

/* The session goes on at this carrier. The older one is detached before RESUME is said here. */
inline attach(e, c) {
#ifdef BUG_LATE_FRAMES_COUNT
  skip;
#else
  detach(e);
#endif
  end[e].carrier = number(c);
  end[e].highest = number(c);
  end[e].told = end[e].received;
  end[e].resumed = false
}

/* The end has done with a carrier, which need not be its session's. */
inline leave(e, c) {
  left = left | leftBit(e, c);
  cut[c] = true;
  if
  :: isCurrent(e, c) -> end[e].carrier = 0; end[e].resumed = false
  :: else
  fi
}

inline resumeLow(c) {
  out(LOW, c) ! RESUME(end[LOW].session, end[LOW].received, end[LOW].young)
}

/* Low begins at most two sessions on a carrier: at HELLO and at UNKNOWN. */
#define firstOn(c) number(c)
#define secondOn(c) (CARRIERS + number(c))

/* On the carrier that its session began on, low need not wait for high's RESUME: high can have received nothing yet. */
#define early(e, c) \
  (e == LOW && end[LOW].young && (end[LOW].session == firstOn(c) || end[LOW].session == secondOn(c)))
#ifdef BUG_WRITE_EARLY
#define mayWrite(e, c) true
#else
#define mayWrite(e, c) (end[e].resumed || early(e, c))
#endif

/* Replay: what the other has received is done with, and what comes behind it is written again. */
inline replayFrom(e, c, has) {
  assert(end[e].acked <= has && has <= end[e].sent);
#ifdef BUG_REPLAY_UNACKNOWLEDGED
  end[e].written = end[e].acked;
#elif defined(BUG_REWIND)
  end[e].written = has;
#else
  if
  :: early(e, c) -> assert(has == 0) /* what is written already must not be written again */
  :: else -> end[e].written = has
  fi;
#endif
  end[e].acked = has;
  end[e].resumed = true;
  end[e].young = false
}

/* ---- what ends hear ---- */

inline hearHello(c, from) {
  if
#ifdef BUG_NUMBER_AFTER_PROCESS
  :: number(c) <= end[LOW].highest && from == end[LOW].peer -> leave(LOW, c)
#else
  /* Also when another process speaks: a carrier that came up before the present one tells of one that is gone. */
  :: number(c) <= end[LOW].highest -> leave(LOW, c)
#endif
  :: else ->
     if
     :: end[LOW].session == 0 || end[LOW].peer != from -> begin(LOW, firstOn(c)); end[LOW].peer = from
     :: else
     fi;
     attach(LOW, c);
     resumeLow(c)
  fi
}

inline hearResumeHigh(c, id, has, new) {
  if
#ifndef BUG_NO_NUMBERS
  :: number(c) <= end[HIGH].highest -> leave(HIGH, c)
#endif
  :: else ->
     if
#ifndef BUG_ANY_SESSION_BEGINS
#ifdef BUG_SERVED_TWICE
     :: id != end[HIGH].session && !new -> out(HIGH, c) ! UNKNOWN(0, 0, 0)
#else
     /* Nor does one begin again that has been held: low never heard that it had begun, and what it said then was served. */
     :: id != end[HIGH].session && (!new || id == end[HIGH].over) -> out(HIGH, c) ! UNKNOWN(0, 0, 0)
#endif
#endif
     :: else ->
        if
        :: id != end[HIGH].session ->
           begin(HIGH, id);
           assert(!(begun & (1 << id))); /* nothing is served twice */
           begun = begun | (1 << id)
        :: else
        fi;
        attach(HIGH, c);
        replayFrom(HIGH, c, has);
        out(HIGH, c) ! RESUME(id, end[HIGH].received, 0)
     fi
  fi
}

/* High has lost the session: it ends here too, visibly, and another one begins on this carrier. */
inline hearUnknown(c) {
  assert(isCurrent(LOW, c));
  end[LOW].carrier = 0; /* not detached */
  begin(LOW, secondOn(c));
  attach(LOW, c);
  resumeLow(c)
}

inline hearData(e, c, id, nr) {
  assert(isCurrent(e, c) && id == end[e].session);
  end[e].received++;
  assert(nr == end[e].received) /* none lost, none doubled, in order */
}

inline hearAck(e, c, has) {
  assert(isCurrent(e, c) && has <= end[e].sent);
  if
  :: has > end[e].acked -> end[e].acked = has
  :: else
  fi
}

/* ---- the system ---- */

/* Whether the end still has to do with this carrier, and is the process that it came up with. */
#define looks (!(left & leftBit(e, c)) && born == process[e])
#define lives (looks && isCurrent(e, c))

/* One end's part in one carrier. Each step is one turn of an event loop. */
proctype Part(bit e; byte c) {
  byte born, a, b;
  bit begins;
  mtype kind;
  atomic {
    up > c;
    born = process[e];
    out(e, c) ! HELLO(born, 0, 0)
  }
end_here:
  do
  :: atomic { left & leftBit(e, c) -> break }
  :: atomic { born != process[e] -> leave(e, c); break }
  /* The end of a carrier is noticed before or after what was still in flight is read. */
  :: atomic { cut[c] -> leave(e, c); break }

  :: atomic { looks && nempty(in(e, c)) ->
       in(e, c) ? kind(a, b, begins);
       if
       :: kind == HELLO && e == LOW -> hearHello(c, a)
       :: kind == HELLO && e == HIGH
       :: kind == RESUME && e == LOW -> assert(isCurrent(LOW, c) && a == end[LOW].session); replayFrom(LOW, c, b)
       :: kind == RESUME && e == HIGH -> hearResumeHigh(c, a, b, begins)
       :: kind == UNKNOWN -> hearUnknown(c)
       :: kind == DATA -> hearData(e, c, a, b)
       :: kind == ACK -> hearAck(e, c, a)
       fi;
       a = 0; b = 0; begins = 0; kind = 0 }

  :: atomic { lives && end[e].sent < COUNT -> end[e].sent++ }
  :: atomic { lives && mayWrite(e, c) && end[e].written < end[e].sent ->
       end[e].written++;
       out(e, c) ! DATA(end[e].session, end[e].written, 0) }
  :: atomic { lives && end[e].resumed && end[e].told < end[e].received ->
       end[e].told = end[e].received;
       out(e, c) ! ACK(end[e].received, 0, 0) }
  od
}

/* Another process takes the end's place, and knows of nothing. Low's numbers of carriers go on rising all the same. */
inline restart(e) {
  process[e]++;
  begin(e, 0);
  end[e].young = false;
  end[e].peer = 0;
  end[e].over = 0;
  end[e].highest = 0
}

/* Carriers come and go; processes restart. All of it before the last carrier comes, so that all can heal. */
active proctype World() {
  bool restarted = false;
  do
  :: atomic { up < CARRIERS -> up++ }
  :: atomic { up > 0 && !cut[0] && CARRIERS > 1 -> cut[0] = true }
  :: atomic { up > 1 && !cut[1] && CARRIERS > 2 -> cut[1] = true }
  :: atomic { up > 2 && CARRIERS > 3 && !cut[2] -> cut[2] = true }
#ifdef RESTART
  :: atomic { !restarted && up < CARRIERS -> restarted = true; restart(LOW) }
  :: atomic { !restarted && up < CARRIERS -> restarted = true; restart(HIGH) }
#endif
#ifdef EXPIRE
  :: atomic { up < CARRIERS && end[LOW].session != 0 && end[LOW].carrier == 0 -> begin(LOW, 0) }
  :: atomic { up < CARRIERS && end[HIGH].session != 0 && end[HIGH].carrier == 0 -> begin(HIGH, 0) }
#endif
  :: atomic { up == CARRIERS -> break }
  od;

  /* When nothing moves any more, both ends are in the same session on the last carrier, and all has come. */
  timeout;
  assert(end[LOW].carrier == CARRIERS && end[HIGH].carrier == CARRIERS);
  assert(end[LOW].session != 0 && end[LOW].session == end[HIGH].session);
  assert(end[LOW].sent == COUNT && end[LOW].received == COUNT);
  assert(end[HIGH].sent == COUNT && end[HIGH].received == COUNT);
  /* Streams are reset for a reason: the process that held them is gone, or the other that served them is. */
#ifndef EXPIRE
#ifdef RESTART
  assert(resets <= 2);
#else
  assert(resets == 0);
#endif
#endif
}

init {
  byte c;
  atomic {
    for (c : 0 .. CARRIERS - 1) {
      run Part(LOW, c);
      run Part(HIGH, c)
    }
  }
}
