"""python -m service.sidecar"""

from service.sidecar.replica_set import main

if __name__ == "__main__":
    main()
