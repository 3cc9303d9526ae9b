// What people can do something about: said in one or a few lines, without a stack.

export class Trouble extends Error {
  override name = 'Trouble'
}
