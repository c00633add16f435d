def claims(): return ()
