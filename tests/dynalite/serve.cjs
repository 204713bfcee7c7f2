// dynalite on a port that is free and a directory that is given. Says the port on stdout, and ends when stdin does.
const dynalite = require('dynalite')

const [path] = process.argv.slice(2)
const server = dynalite({ path, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })

server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
