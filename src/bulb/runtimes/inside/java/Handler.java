package bulb;

/** A loaded function: the JSON of an event in, the bytes of the answer out. */
interface Handler {
    byte[] handle(RuntimeApi.Event event) throws Throwable;
}
