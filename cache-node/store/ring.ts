/** A queue with two ends and places in between, each reached in one step. */
const capacityMin = 8;

export class Ring<T> {
  #slots: (T | undefined)[] = new Array<T | undefined>(capacityMin).fill(undefined);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @param place from 0 to `size` - 1 */
  at(place: number): T {
    return this.#slots[(this.#head + place) & (this.#slots.length - 1)]!;
  }

  push(item: T): void {
    if (this.#size === this.#slots.length) this.#resize(this.#size * 2);
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item;
    this.#size += 1;
  }

  unshift(item: T): void {
    if (this.#size === this.#slots.length) this.#resize(this.#size * 2);
    this.#head = (this.#head - 1) & (this.#slots.length - 1);
    this.#slots[this.#head] = item;
    this.#size += 1;
  }

  /** The last one. There must be one. */
  pop(): T {
    return this.#take((this.#head + this.#size - 1) & (this.#slots.length - 1));
  }

  /** The first one. There must be one. */
  shift(): T {
    const place = this.#head;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    return this.#take(place);
  }

  #take(place: number): T {
    const item = this.#slots[place]!;
    this.#slots[place] = undefined;
    this.#size -= 1;
    const { length } = this.#slots;
    if (length > capacityMin && this.#size <= length / 4) this.#resize(length / 2);
    return item;
  }

  #resize(capacity: number): void {
    const slots = new Array<T | undefined>(capacity).fill(undefined);
    for (let place = 0; place < this.#size; place++) slots[place] = this.at(place);
    this.#slots = slots;
    this.#head = 0;
  }
}
