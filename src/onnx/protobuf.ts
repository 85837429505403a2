/** A growing byte buffer that writes the protobuf wire format: just what ONNX models need. */
export class ProtobufWriter {
  private buffer = new Uint8Array(1024)
  private length = 0

  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length)
  }

  /** A varint field; negative numbers take ten bytes, as int64 does. Throws a RangeError for a fraction. */
  int(field: number, value: number | bigint): void {
    this.varint(field * 8)
    this.varint(value)
  }

  float(field: number, value: number): void {
    this.varint(field * 8 + 5)
    this.reserve(4)
    new DataView(this.buffer.buffer).setFloat32(this.length, value, true)
    this.length += 4
  }

  string(field: number, value: string): void {
    this.raw(field, new TextEncoder().encode(value))
  }

  raw(field: number, bytes: Uint8Array): void {
    this.varint(field * 8 + 2)
    this.varint(bytes.length)
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  message(field: number, write: (inner: ProtobufWriter) => void): void {
    const inner = new ProtobufWriter()
    write(inner)
    this.raw(field, inner.bytes())
  }

  private varint(value: number | bigint): void {
    this.reserve(10)
    if (typeof value === 'number' && value >= 0 && value <= 0xffffffff && Number.isInteger(value)) {
      while (value > 0x7f) {
        this.buffer[this.length++] = (value & 0x7f) | 0x80
        value = Math.floor(value / 128)
      }
      this.buffer[this.length++] = value
      return
    }
    let rest = BigInt.asUintN(64, BigInt(value))
    while (rest > 0x7fn) {
      this.buffer[this.length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.buffer[this.length++] = Number(rest)
  }

  private reserve(extra: number): void {
    if (this.length + extra <= this.buffer.length) return
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + extra))
    grown.set(this.buffer)
    this.buffer = grown
  }
}
